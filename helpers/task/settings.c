/* SPDX-License-Identifier: Apache-2.0 */
/* See settings.h. */
#include "helpers/task/settings.h"

#include <apr_strings.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "helpers/task/exit.h"
#include "helpers/task/json.h"

/* MB that still count as bytes in 63 bits, with room. */
#define NUMBER_MAX (INT64_C(1) << 40)

#define BLANKS " \t\r"

/* Values of `supported_formats`; the first of a format is the one that we send. */
typedef struct format_name_t {
    const char *type;
    task_format_t format;
} format_name_t;

static const format_name_t format_names[] = {
    { "application/zstd", TASK_FORMAT_ZSTD },
    { "application/x-xz-compressed-tar", TASK_FORMAT_XZ },
    { "application/x-gzip", TASK_FORMAT_GZIP },
    { "application/x-coredump", TASK_FORMAT_CORE },
};

static const char *const feature_names[TASK_FEATURES] = {
    [TASK_FEATURE_LONG_POLL] = "long-poll", [TASK_FEATURE_SYNC] = "sync",
    [TASK_FEATURE_JSON] = "json",           [TASK_FEATURE_CANCEL] = "cancel",
    [TASK_FEATURE_DELETE] = "delete",
};

typedef struct number_key_t {
    const char *key;
    const char *json_key;
    size_t offset;
} number_key_t;

static const number_key_t number_keys[] = {
    { "running_tasks", "running_tasks", offsetof(task_settings_t, running_tasks) },
    { "max_running_tasks", "max_running_tasks", offsetof(task_settings_t, max_running_tasks) },
    { "max_packed_size", "max_packed_size_mb", offsetof(task_settings_t, max_packed_mb) },
    { "max_unpacked_size", "max_unpacked_size_mb", offsetof(task_settings_t, max_unpacked_mb) },
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

const char *task_format_type(task_format_t format)
{
    size_t i = 0;

    while (format_names[i].format != format) {
        i++;
    }
    return format_names[i].type;
}

static void take_format(task_settings_t *settings, const char *word)
{
    size_t i;

    for (i = 0; i < COUNT(format_names); i++) {
        if (strcasecmp(word, format_names[i].type) == 0) {
            settings->formats |= UINT32_C(1) << format_names[i].format;
        }
    }
}

static void take_feature(task_settings_t *settings, const char *word)
{
    size_t i;

    for (i = 0; i < COUNT(feature_names); i++) {
        if (strcmp(word, feature_names[i]) == 0) {
            settings->features |= UINT32_C(1) << i;
        }
    }
}

static bool take_number(task_settings_t *settings, const char *key, const char *word)
{
    size_t i;

    for (i = 0; i < COUNT(number_keys); i++) {
        if (strcasecmp(key, number_keys[i].key) == 0 && word != NULL) {
            char *end = NULL;
            int64_t value = strtoll(word, &end, 10);

            if (word[0] < '0' || word[0] > '9' || *end != '\0' || value > NUMBER_MAX) {
                return false;
            }
            memcpy((char *)settings + number_keys[i].offset, &value, sizeof(value));
            return true;
        }
    }
    return false;
}

/* Is it a line with one of the numbers? */
static bool take_line(task_settings_t *settings, bool *phas_formats, char *line)
{
    void (*take)(task_settings_t *, const char *) = NULL;
    char *rest = NULL;
    const char *key = apr_strtok(line, BLANKS, &rest);
    const char *word;

    if (key == NULL) {
        return false;
    }
    if (strcasecmp(key, "supported_formats") == 0) {
        *phas_formats = true;
        take = take_format;
    }
    else if (strcasecmp(key, "features") == 0) {
        settings->has_features = true;
        take = take_feature;
    }
    word = apr_strtok(NULL, BLANKS, &rest);
    if (take == NULL) {
        return take_number(settings, key, word);
    }
    for (; word != NULL; word = apr_strtok(NULL, BLANKS, &rest)) {
        take(settings, word);
    }
    return false;
}

/* @return whether there was one of the numbers */
static bool take_lines(task_settings_t *settings, bool *phas_formats, char *text)
{
    bool has_numbers = false;
    char *rest = NULL;
    char *line = apr_strtok(text, "\n", &rest);

    for (; line != NULL; line = apr_strtok(NULL, "\n", &rest)) {
        has_numbers |= take_line(settings, phas_formats, line);
    }
    return has_numbers;
}

/* @return whether it is there */
static bool take_array(task_settings_t *settings, const json_t *object, const char *key,
                       void (*take)(task_settings_t *, const char *))
{
    const json_t *array = json_object_get(object, key);
    const json_t *member;
    size_t i;

    json_array_foreach(array, i, member)
    {
        if (json_is_string(member)) {
            take(settings, json_string_value(member));
        }
    }
    return json_is_array(array);
}

static bool take_object(task_settings_t *settings, bool *phas_formats, const json_t *object)
{
    bool has_numbers = false;
    size_t i;

    for (i = 0; i < COUNT(number_keys); i++) {
        int64_t value = task_json_number(object, number_keys[i].json_key, 0, NUMBER_MAX, -1);

        memcpy((char *)settings + number_keys[i].offset, &value, sizeof(value));
        has_numbers |= value >= 0;
    }
    *phas_formats = take_array(settings, object, "supported_formats", take_format);
    settings->has_features = take_array(settings, object, "features", take_feature);
    settings->is_full = json_is_true(json_object_get(object, "is_full"));
    return has_numbers;
}

apr_status_t task_settings_parse(task_settings_t *settings, const char *type, const char *text,
                                 apr_size_t length, retrace_error_t *err, apr_pool_t *scratch)
{
    task_settings_t found = {
        .running_tasks = -1, .max_running_tasks = -1, .max_packed_mb = -1, .max_unpacked_mb = -1
    };
    bool has_numbers = false;
    bool has_formats = false;

    if (task_type_is_json(type)) {
        json_t *object = NULL;
        apr_status_t rv = task_json_load(&object, text, length, err, scratch);

        if (rv != APR_SUCCESS) {
            return rv;
        }
        has_numbers = take_object(&found, &has_formats, object);
    }
    else {
        has_numbers = take_lines(&found, &has_formats, apr_pstrmemdup(scratch, text, length));
        found.is_full = found.running_tasks >= 0 && found.max_running_tasks >= 0
            && found.running_tasks >= found.max_running_tasks;
    }
    if (!has_numbers) {
        return retrace_fail(err, TASK_STATUS(TASK_EXIT_PROTOCOL),
                            "there is no retrace server: its settings tell no limit");
    }
    if (!has_formats) {
        found.formats = UINT32_C(1) << TASK_FORMAT_XZ;
    }
    *settings = found;
    return APR_SUCCESS;
}
