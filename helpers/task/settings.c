/* SPDX-License-Identifier: Apache-2.0 */
/* See settings.h. */
#include "helpers/task/settings.h"

#include <apr_strings.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "helpers/task/exit.h"

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
    size_t offset;
} number_key_t;

static const number_key_t number_keys[] = {
    { "running_tasks", offsetof(task_settings_t, running_tasks) },
    { "max_running_tasks", offsetof(task_settings_t, max_running_tasks) },
    { "max_packed_size", offsetof(task_settings_t, max_packed_mb) },
    { "max_unpacked_size", offsetof(task_settings_t, max_unpacked_mb) },
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

apr_status_t task_settings_parse(task_settings_t *settings, const char *text, apr_size_t length,
                                 retrace_error_t *err, apr_pool_t *scratch)
{
    task_settings_t found = {
        .running_tasks = -1, .max_running_tasks = -1, .max_packed_mb = -1, .max_unpacked_mb = -1
    };
    bool has_numbers = false;
    bool has_formats = false;
    char *rest = NULL;
    char *line = apr_strtok(apr_pstrmemdup(scratch, text, length), "\n", &rest);

    for (; line != NULL; line = apr_strtok(NULL, "\n", &rest)) {
        has_numbers |= take_line(&found, &has_formats, line);
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

bool task_settings_is_full(const task_settings_t *settings)
{
    return settings->running_tasks >= 0 && settings->max_running_tasks >= 0
        && settings->running_tasks >= settings->max_running_tasks;
}
