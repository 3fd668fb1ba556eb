/* SPDX-License-Identifier: Apache-2.0 */
/* See facts.h. */
#include "lib/facts.h"

#include <apr_strings.h>
#include <stddef.h>
#include <string.h>

#define VALUE_MAX 256 /* bytes of a value that is taken; the rest is cut off */

static const char *const timing_names[RETRACE_TIMINGS] = {
    [RETRACE_TIMING_ANALYZE] = "analyze",
    [RETRACE_TIMING_ENVIRONMENT] = "environment",
    [RETRACE_TIMING_DEBUGGER] = "debugger",
    [RETRACE_TIMING_REPORT] = "report",
};

typedef struct field_t {
    const char *key;
    size_t offset;
} field_t;

static const field_t texts[] = {
    { "package", offsetof(retrace_facts_t, package) },
    { "version", offsetof(retrace_facts_t, version) },
    { "release", offsetof(retrace_facts_t, release) },
    { "arch", offsetof(retrace_facts_t, arch) },
};
static const field_t numbers[] = {
    { "core_bytes", offsetof(retrace_facts_t, core_bytes) },
    { "cache_hits", offsetof(retrace_facts_t, cache_hits) },
    { "cache_misses", offsetof(retrace_facts_t, cache_misses) },
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void *field_of(const retrace_facts_t *facts, const field_t *field)
{
    return (char *)(uintptr_t)facts + field->offset;
}

const char *retrace_timing_name(retrace_timing_t timing)
{
    return timing_names[timing];
}

retrace_facts_t *retrace_facts_make(apr_pool_t *p)
{
    retrace_facts_t *facts = apr_pcalloc(p, sizeof(*facts));
    size_t i;

    for (i = 0; i < COUNT(texts); i++) {
        *(const char **)field_of(facts, &texts[i]) = RETRACE_FACT_UNKNOWN;
    }
    for (i = 0; i < RETRACE_TIMINGS; i++) {
        facts->timing_ms[i] = -1;
    }
    facts->missing = apr_array_make(p, 8, sizeof(retrace_missing_t));
    return facts;
}

/* A value is one word, so that a line cannot be mistaken for another. */
static const char *as_word(const char *value, apr_pool_t *p)
{
    char *word;
    char *at;

    if (value == NULL || value[0] == '\0') {
        return RETRACE_FACT_UNKNOWN;
    }
    word = apr_pstrndup(p, value, VALUE_MAX);
    for (at = word; *at != '\0'; at++) {
        if (*at <= 0x20 || *at >= 0x7f) {
            *at = '?';
        }
    }
    return word;
}

static void push(apr_array_header_t *lines, const char *line)
{
    APR_ARRAY_PUSH(lines, const char *) = line;
}

const char *retrace_facts_format(const retrace_facts_t *facts, apr_pool_t *p)
{
    apr_array_header_t *lines = apr_array_make(p, 32, sizeof(const char *));
    size_t i;
    int n;

    for (i = 0; i < COUNT(texts); i++) {
        push(lines,
             apr_pstrcat(p, texts[i].key, " ",
                         as_word(*(const char **)field_of(facts, &texts[i]), p), "\n", NULL));
    }
    for (i = 0; i < COUNT(numbers); i++) {
        push(lines,
             apr_psprintf(p, "%s %" APR_INT64_T_FMT "\n", numbers[i].key,
                          (apr_int64_t) * (int64_t *)field_of(facts, &numbers[i])));
    }
    for (i = 0; i < RETRACE_TIMINGS; i++) {
        push(lines,
             apr_psprintf(p, "time %s %" APR_INT64_T_FMT "\n", timing_names[i],
                          (apr_int64_t)facts->timing_ms[i]));
    }
    for (n = 0; n < facts->missing->nelts && n < RETRACE_FACTS_MAX_MISSING; n++) {
        const retrace_missing_t *missing = &APR_ARRAY_IDX(facts->missing, n, retrace_missing_t);

        push(lines,
             apr_pstrcat(p, "missing ", as_word(missing->kind, p), " ",
                         as_word(missing->build_id, p), " ", as_word(missing->path, p), "\n",
                         NULL));
    }
    return apr_array_pstrcat(p, lines, '\0');
}

static void take_missing(retrace_facts_t *facts, char *rest, apr_pool_t *p)
{
    char *kind = apr_strtok(NULL, " ", &rest);
    char *build_id = apr_strtok(NULL, " ", &rest);
    char *path = apr_strtok(NULL, " ", &rest);

    if (path != NULL && facts->missing->nelts < RETRACE_FACTS_MAX_MISSING) {
        APR_ARRAY_PUSH(facts->missing, retrace_missing_t) =
            (retrace_missing_t){ as_word(kind, p), as_word(build_id, p), as_word(path, p) };
    }
}

static void take_time(retrace_facts_t *facts, char *rest)
{
    char *name = apr_strtok(NULL, " ", &rest);
    char *value = apr_strtok(NULL, " ", &rest);
    int i;

    for (i = 0; value != NULL && i < RETRACE_TIMINGS; i++) {
        if (strcmp(timing_names[i], name) == 0) {
            facts->timing_ms[i] = apr_atoi64(value);
        }
    }
}

static void take_value(retrace_facts_t *facts, const char *key, char *rest, apr_pool_t *p)
{
    char *value = apr_strtok(NULL, " ", &rest);
    size_t i;

    if (value == NULL) {
        return;
    }
    for (i = 0; i < COUNT(texts); i++) {
        if (strcmp(texts[i].key, key) == 0) {
            *(const char **)field_of(facts, &texts[i]) = as_word(value, p);
        }
    }
    for (i = 0; i < COUNT(numbers); i++) {
        if (strcmp(numbers[i].key, key) == 0) {
            *(int64_t *)field_of(facts, &numbers[i]) = apr_atoi64(value);
        }
    }
}

static void take_line(retrace_facts_t *facts, char *line, apr_pool_t *p)
{
    char *rest = NULL;
    const char *key = apr_strtok(line, " ", &rest);

    if (key == NULL) {
        return;
    }
    if (strcmp(key, "missing") == 0) {
        take_missing(facts, rest, p);
    }
    else if (strcmp(key, "time") == 0) {
        take_time(facts, rest);
    }
    else {
        take_value(facts, key, rest, p);
    }
}

retrace_facts_t *retrace_facts_parse(const char *text, apr_pool_t *p)
{
    retrace_facts_t *facts = retrace_facts_make(p);
    char *rest = apr_pstrdup(p, text);
    char *line;

    while ((line = strsep(&rest, "\n")) != NULL) {
        take_line(facts, line, p);
    }
    return facts;
}
