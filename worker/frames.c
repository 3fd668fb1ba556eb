/* SPDX-License-Identifier: Apache-2.0 */
/* See frames.h. What may come is a table; anything else refuses the whole. */
#include "worker/frames.h"

#include <apr_escape.h>
#include <apr_strings.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "lib/spool.h"
#include "worker/resolve/source.h"
#include "worker/signals.h"
#include "worker/text.h"

#define MAX_DEPTH  7 /* crash, threads, thread, frames, frame, args, variable */
#define MAX_TEXT   (4 * WORKER_FRAMES_TEXT) /* bytes of its characters */
#define MAX_NUMBER INT32_MAX
#define MAX_LEVEL  (WORKER_FRAMES_FRAMES - 1)
#define HEX_DIGITS 16 /* of an address */
#define MAX_MB     (RETRACE_BACKTRACE_MAX / (1024 * 1024))
#define TOO_LONG   "completed it is longer than %d MB"

typedef enum kind_t {
    KIND_NUMBER,
    KIND_FLAG,
    KIND_TEXT,
    KIND_ADDRESS,
    KIND_TYPE,
    KIND_LIST
} kind_t;

/** A key of an object, or the end of a table. */
typedef struct field_t {
    const char *key;
    kind_t kind;
    bool is_needed;
    json_int_t min;               /* of a number */
    json_int_t max;               /* of a number; of the objects in a list */
    const struct field_t *fields; /* of the objects in a list */
} field_t;

static const field_t variable_fields[] = {
    { "name", KIND_TEXT, true, 0, 0, NULL },
    { "value", KIND_TEXT, true, 0, 0, NULL },
    { "truncated", KIND_FLAG, false, 0, 0, NULL },
    { NULL, KIND_TEXT, false, 0, 0, NULL },
};
static const field_t frame_fields[] = {
    { "level", KIND_NUMBER, true, 0, MAX_LEVEL, NULL },
    { "pc", KIND_ADDRESS, true, 0, 0, NULL },
    { "type", KIND_TYPE, true, 0, 0, NULL },
    { "inlined", KIND_FLAG, true, 0, 0, NULL },
    { "function", KIND_TEXT, false, 0, 0, NULL },
    { "file", KIND_TEXT, false, 0, 0, NULL },
    { "line", KIND_NUMBER, false, 1, MAX_NUMBER, NULL },
    { "args", KIND_LIST, true, 0, WORKER_FRAMES_VARIABLES, variable_fields },
    { "locals", KIND_LIST, true, 0, WORKER_FRAMES_VARIABLES, variable_fields },
    { "truncated", KIND_FLAG, false, 0, 0, NULL },
    { NULL, KIND_TEXT, false, 0, 0, NULL },
};
static const field_t python_fields[] = {
    { "file", KIND_TEXT, true, 0, 0, NULL },
    { "line", KIND_NUMBER, true, 0, MAX_NUMBER, NULL },
    { "function", KIND_TEXT, true, 0, 0, NULL },
    { NULL, KIND_TEXT, false, 0, 0, NULL },
};
static const field_t thread_fields[] = {
    { "id", KIND_NUMBER, true, 1, MAX_NUMBER, NULL },
    { "lwp", KIND_NUMBER, true, 0, MAX_NUMBER, NULL },
    { "name", KIND_TEXT, false, 0, 0, NULL },
    { "crashed", KIND_FLAG, true, 0, 0, NULL },
    { "frames", KIND_LIST, true, 0, WORKER_FRAMES_FRAMES, frame_fields },
    { "python", KIND_LIST, false, 0, WORKER_FRAMES_FRAMES, python_fields },
    { "error", KIND_TEXT, false, 0, 0, NULL },
    { "truncated", KIND_FLAG, false, 0, 0, NULL },
    { NULL, KIND_TEXT, false, 0, 0, NULL },
};
static const field_t crash_fields[] = {
    { "version", KIND_NUMBER, true, 1, 1, NULL },
    { "crash_thread", KIND_NUMBER, true, 1, MAX_NUMBER, NULL },
    { "threads", KIND_LIST, true, 0, WORKER_FRAMES_THREADS, thread_fields },
    { "truncated", KIND_FLAG, false, 0, 0, NULL },
    { NULL, KIND_TEXT, false, 0, 0, NULL },
};

static const char *const types[] = {
    "normal", "inline", "signal", "tailcall", "arch", "other", NULL
};

typedef struct reader_t {
    const worker_core_t *core;
    const retrace_facts_t *facts;
    retrace_error_t *err;
    apr_pool_t *pool;
} reader_t;

/* --- Before it is parsed ------------------------------------------------------------------- */

/* A parser would build all of it before anybody could look: a megabyte of "{}," is a hundred of
 * memory. */
static apr_status_t weigh(const char *json, retrace_error_t *err)
{
    bool in_text = false;
    int depth = 0;
    int items = 0;
    const char *at;

    if (strlen(json) > WORKER_FRAMES_INPUT) {
        return retrace_fail(err, APR_EINVAL, "it is longer than %d bytes", WORKER_FRAMES_INPUT);
    }
    for (at = json; *at != '\0'; at++) {
        if (in_text && at[0] == '\\' && at[1] != '\0') {
            at++;
        }
        else if (*at == '"') {
            in_text = !in_text;
        }
        else if (!in_text && (*at == '{' || *at == '[')) {
            depth++;
            items++;
        }
        else if (!in_text && (*at == '}' || *at == ']')) {
            depth--;
        }
        if (depth > MAX_DEPTH || items > WORKER_FRAMES_ITEMS) {
            return retrace_fail(err, APR_EINVAL, "it has too many %s",
                                depth > MAX_DEPTH ? "levels" : "parts");
        }
    }
    return APR_SUCCESS;
}

/* --- What is known and in its range -------------------------------------------------------- */

static bool is_address(const char *text)
{
    size_t digits = strncmp(text, "0x", 2) == 0 ? strspn(text + 2, "0123456789abcdef") : 0;

    return digits > 0 && digits <= HEX_DIGITS && text[2 + digits] == '\0';
}

static bool is_type(const char *text)
{
    int i;

    for (i = 0; types[i] != NULL; i++) {
        if (strcmp(text, types[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* A string without a NUL that would hide what is behind it. */
static bool is_word(const json_t *value)
{
    return json_is_string(value) && strlen(json_string_value(value)) == json_string_length(value);
}

static bool is_good(const json_t *value, const field_t *field)
{
    switch (field->kind) {
    case KIND_NUMBER:
        return json_is_integer(value) && json_integer_value(value) >= field->min
            && json_integer_value(value) <= field->max;
    case KIND_FLAG:
        return json_is_boolean(value);
    case KIND_TEXT:
        return json_is_string(value) && json_string_length(value) <= MAX_TEXT;
    case KIND_ADDRESS:
        return is_word(value) && is_address(json_string_value(value));
    case KIND_TYPE:
        return is_word(value) && is_type(json_string_value(value));
    case KIND_LIST:
        return json_is_array(value) && json_array_size(value) <= (size_t)field->max;
    }
    return false;
}

static const field_t *find_field(const field_t *fields, const char *key)
{
    while (fields->key != NULL && strcmp(fields->key, key) != 0) {
        fields++;
    }
    return fields->key != NULL ? fields : NULL;
}

static apr_status_t check_keys(const reader_t *reader, json_t *object, const field_t *fields)
{
    const field_t *field;
    const char *key;
    json_t *value;

    json_object_foreach(object, key, value)
    {
        field = find_field(fields, key);
        if (field == NULL) {
            return retrace_fail(reader->err, APR_EINVAL, "it has an unknown key %.32s",
                                apr_pescape_echo(reader->pool, key, 1));
        }
        if (!is_good(value, field)) {
            return retrace_fail(reader->err, APR_EINVAL, "its key %s has a bad value", field->key);
        }
    }
    for (field = fields; field->key != NULL; field++) {
        if (field->is_needed && json_object_get(object, field->key) == NULL) {
            return retrace_fail(reader->err, APR_EINVAL, "it lacks a key %s", field->key);
        }
    }
    return APR_SUCCESS;
}

static apr_status_t clean_text(const reader_t *reader, json_t *text)
{
    const char *clean =
        worker_text_clean(json_string_value(text), json_string_length(text), reader->pool);

    return json_string_set(text, clean) == 0
        ? APR_SUCCESS
        : retrace_fail(reader->err, APR_ENOMEM, "take the backtrace apart");
}

static apr_status_t check_object(const reader_t *reader, json_t *object, const field_t *fields);

static apr_status_t check_list(const reader_t *reader, const json_t *list, const field_t *fields)
{
    apr_status_t rv = APR_SUCCESS;
    size_t i;

    for (i = 0; i < json_array_size(list) && rv == APR_SUCCESS; i++) {
        rv = check_object(reader, json_array_get(list, i), fields);
    }
    return rv;
}

/* As deep as the tables. */
static apr_status_t check_object(const reader_t *reader, json_t *object, const field_t *fields)
{
    const field_t *field;
    apr_status_t rv;

    if (!json_is_object(object)) {
        return retrace_fail(reader->err, APR_EINVAL, "a part of it is no object");
    }
    rv = check_keys(reader, object, fields);
    for (field = fields; field->key != NULL && rv == APR_SUCCESS; field++) {
        json_t *value = json_object_get(object, field->key);

        if (field->kind == KIND_LIST) {
            rv = check_list(reader, value, field->fields);
        }
        else if (field->kind == KIND_TEXT && value != NULL) {
            rv = clean_text(reader, value);
        }
    }
    return rv;
}

/* --- What the worker knows ----------------------------------------------------------------- */

static void add_text(json_t *object, const char *key, const char *text)
{
    if (text != NULL && strcmp(text, RETRACE_FACT_UNKNOWN) != 0) {
        (void)json_object_set_new(object, key, json_string(text));
    }
}

static const char *shown_path(const worker_module_t *module, apr_pool_t *p)
{
    return apr_pescape_echo(p, module->path, 0);
}

/* What is added to each frame is bounded as it grows: a core can give each of its frames a path of many
 * kilobytes, which all frames of a file share therefore. */
typedef struct modules_t {
    const reader_t *reader;
    json_t **paths; /* one a module; NULL until its first frame */
    size_t bytes;   /* added so far, as they will be printed */
} modules_t;

static json_t *path_of(modules_t *modules, const worker_module_t *module)
{
    const worker_module_t *first = (const worker_module_t *)modules->reader->core->modules->elts;
    json_t **path = &modules->paths[module - first];

    if (*path == NULL) {
        *path = json_string(shown_path(module, modules->reader->pool));
    }
    return *path;
}

static bool is_missing(const reader_t *reader, const worker_module_t *module)
{
    const apr_array_header_t *all = reader->facts->missing;
    int i;

    for (i = 0; i < all->nelts && module->build_id != NULL; i++) {
        const retrace_missing_t *missing = &APR_ARRAY_IDX(all, i, retrace_missing_t);

        if (strcmp(missing->kind, worker_file_kind_name(WORKER_FILE_EXECUTABLE)) == 0
            && strcmp(missing->build_id, module->build_id) == 0) {
            return true;
        }
    }
    return false;
}

/* What is on the stack is where a call returns to: the call may be the last of its file.
 * @param pguess  is this one a guess? becomes true for those below a file that is missing */
static apr_status_t add_module(modules_t *modules, json_t *frame, bool *pguess)
{
    const reader_t *reader = modules->reader;
    uint64_t pc = strtoull(json_string_value(json_object_get(frame, "pc")), NULL, 16);
    bool is_return = json_integer_value(json_object_get(frame, "level")) > 0;
    const worker_module_t *module = worker_core_module_at(reader->core, pc - is_return);

    if (*pguess) {
        (void)json_object_set_new(frame, "guess", json_true());
    }
    if (module == NULL) {
        return APR_SUCCESS;
    }
    *pguess = *pguess || is_missing(reader, module);
    modules->bytes += json_string_length(path_of(modules, module));
    if (modules->bytes > RETRACE_BACKTRACE_MAX) {
        return retrace_fail(reader->err, APR_EINVAL, TOO_LONG, MAX_MB);
    }
    (void)json_object_set(frame, "module", path_of(modules, module));
    add_text(frame, "build_id", module->build_id);
    return APR_SUCCESS;
}

static apr_status_t add_to_frames(modules_t *modules, const json_t *crash)
{
    apr_status_t rv = APR_SUCCESS;
    size_t thread;
    size_t i;
    json_t *each;

    json_array_foreach(json_object_get(crash, "threads"), thread, each)
    {
        const json_t *frames = json_object_get(each, "frames");
        bool is_guess = false;

        for (i = 0; i < json_array_size(frames) && rv == APR_SUCCESS; i++) {
            rv = add_module(modules, json_array_get(frames, i), &is_guess);
        }
    }
    return rv;
}

static apr_status_t add_modules(const reader_t *reader, const json_t *crash)
{
    int count = reader->core->modules->nelts;
    modules_t modules = { reader, apr_pcalloc(reader->pool, sizeof(json_t *) * (size_t)count + 1),
                          0 };
    apr_status_t rv = add_to_frames(&modules, crash);
    int i;

    for (i = 0; i < count; i++) {
        json_decref(modules.paths[i]);
    }
    return rv;
}

static json_t *list_missing(const retrace_facts_t *facts)
{
    json_t *list = json_array();
    int i;

    for (i = 0; i < facts->missing->nelts; i++) {
        const retrace_missing_t *missing = &APR_ARRAY_IDX(facts->missing, i, retrace_missing_t);

        (void)json_array_append_new(list,
                                    json_pack("{s:s, s:s, s:s}", "kind", missing->kind, "build_id",
                                              missing->build_id, "path", missing->path));
    }
    return list;
}

static void add_signal(const reader_t *reader, json_t *whole)
{
    const worker_core_t *core = reader->core;

    (void)json_object_set_new(whole, "signal", json_integer(core->signal));
    add_text(whole, "signal_name", worker_signal_name(core->signal));
    if (core->has_siginfo && core->signal_code > 0) {
        add_text(whole, "fault_address",
                 apr_psprintf(reader->pool, "0x%" APR_UINT64_T_HEX_FMT,
                              (apr_uint64_t)core->fault_address));
    }
}

static const char *whole_package(const retrace_facts_t *facts, apr_pool_t *p)
{
    return strcmp(facts->version, RETRACE_FACT_UNKNOWN) == 0
        ? facts->package
        : apr_pstrcat(p, facts->package, "-", facts->version, NULL);
}

static void complete(const reader_t *reader, json_t *whole, json_t *crash)
{
    const worker_core_t *core = reader->core;

    (void)json_object_set(whole, "version", json_object_get(crash, "version"));
    add_signal(reader, whole);
    add_text(whole, "executable",
             core->program != NULL ? shown_path(core->program, reader->pool) : NULL);
    add_text(whole, "package", whole_package(reader->facts, reader->pool));
    add_text(whole, "release", reader->facts->release);
    add_text(whole, "arch", core->arch);
    (void)json_object_set_new(whole, "missing", list_missing(reader->facts));
    (void)json_object_update_missing(whole, crash);
}

static apr_status_t print(const char **ptext, const reader_t *reader, const json_t *whole)
{
    char *text = json_dumps(whole, JSON_COMPACT);

    if (text == NULL) {
        return retrace_fail(reader->err, APR_ENOMEM, "print the backtrace in parts");
    }
    if (strlen(text) >= RETRACE_BACKTRACE_MAX) {
        free(text);
        return retrace_fail(reader->err, APR_EINVAL, TOO_LONG, MAX_MB);
    }
    *ptext = apr_pstrcat(reader->pool, text, "\n", NULL);
    free(text);
    return APR_SUCCESS;
}

apr_status_t worker_frames(const char **ptext, const char *json, const worker_core_t *core,
                           const retrace_facts_t *facts, retrace_error_t *err, apr_pool_t *p)
{
    /* cppcheck-suppress ctuuninitvar ; written before it is read */
    const reader_t reader = { core, facts, err, p };
    json_error_t bad;
    json_t *crash;
    apr_status_t rv;

    rv = weigh(json, err);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    crash = json_loads(json, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &bad);
    if (crash == NULL) {
        return retrace_fail(err, APR_EINVAL, "it is no JSON: %s", apr_pescape_echo(p, bad.text, 1));
    }
    rv = check_object(&reader, crash, crash_fields);
    if (rv == APR_SUCCESS) {
        rv = add_modules(&reader, crash);
    }
    if (rv == APR_SUCCESS) {
        json_t *whole = json_object();

        complete(&reader, whole, crash);
        rv = print(ptext, &reader, whole);
        json_decref(whole);
    }
    json_decref(crash);
    return rv;
}
