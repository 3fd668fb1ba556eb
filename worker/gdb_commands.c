/* SPDX-License-Identifier: Apache-2.0 */
/* What gdb is told: settings before it opens anything (-iex), then the files, then one command per
 * step. A command that fails does not keep gdb from the next one, and a setting that this gdb does
 * not know only makes it complain. */
#include <apr_escape.h>
#include <apr_strings.h>

#include "worker/frames.h"
#include "worker/gdb_private.h"

#define TEXT(macro)     TEXT_OF(macro)
#define TEXT_OF(number) #number

/* In force before gdb reads the first byte of an upload. */
static const char *const settings[] = {
    /* no code from the files of a crash */
    "set auto-load off",
    "set auto-load safe-path /nonexistent",
    "set libthread-db-search-path",
    "set may-call-functions off",
    "set startup-with-shell off",
    /* nothing is looked for, or left, anywhere else */
    "set debuginfod enabled off",
    "set index-cache enabled off",
    "set history save off",
    "set source open off",
    /* nobody is there to answer or to be impressed */
    "set confirm off",
    "set pagination off",
    "set style enabled off",
    "set width 0",
    "set height 0",
    /* an end to everything */
    "set max-value-size " TEXT(WORKER_GDB_VALUE_BYTES),
    "set print elements " TEXT(WORKER_GDB_ELEMENTS),
    "set backtrace limit " TEXT(WORKER_GDB_MAX_FRAMES),
    NULL,
};

/* The printers work by the names of types: registered for all files, they serve a libstdc++ of any
 * name, one without debuginfo, and one that is linked statically. */
static const char printers[] =
    "python import sys; sys.path.insert(0, '" WORKER_GDB_AT_PRINTERS "'); "
    "from libstdcxx.v6.printers import register_libstdcxx_printers; "
    "register_libstdcxx_printers(None)";

/* The backtrace is the purpose but can be long, in bytes and in time: what is short comes before
 * it; a function, which debuginfo can make endless, after it; and last Python frames and the
 * backtraces in parts, during which gdb kills itself if that takes too long. -c: one broken thread does not end the
 * others. */
static const char *const steps[WORKER_GDB_STEPS] = {
    [WORKER_GDB_STEP_THREADS] = "info threads",
    [WORKER_GDB_STEP_LIBRARIES] = "info sharedlibrary",
    [WORKER_GDB_STEP_REGISTERS] = "info registers",
    [WORKER_GDB_STEP_INSTRUCTIONS] = "x/16i $pc",
    [WORKER_GDB_STEP_BACKTRACE] = "thread apply all -ascending -c backtrace full",
    [WORKER_GDB_STEP_FUNCTION] = "disassemble",
};

/* Without a program gdb finds the libraries in the core, but does not read their symbols by itself. */
static const char read_symbols[] = "sharedlibrary";

static const char simple_backtrace[] = "thread apply all -ascending backtrace full";

/* What gdb_frames.py does not say itself. */
static const char frames_limits[] =
    "MAX_THREADS, MAX_FRAMES, MAX_VARIABLES, MAX_TEXT, MAX_BYTES, MAX_SECONDS "
    "= " TEXT(WORKER_FRAMES_THREADS) ", " TEXT(WORKER_FRAMES_FRAMES) ", " TEXT(WORKER_FRAMES_VARIABLES) ", " TEXT(
        WORKER_FRAMES_TEXT) ", " TEXT(WORKER_FRAMES_BYTES) ", " TEXT(WORKER_FRAMES_SECONDS);

static void push(apr_array_header_t *list, const char *word)
{
    APR_ARRAY_PUSH(list, const char *) = word;
}

static void push_option(apr_array_header_t *list, const char *option, const char *value)
{
    push(list, option);
    push(list, value);
}

static void push_settings(apr_array_header_t *list, const worker_gdb_place_t *place,
                          bool with_printers, apr_pool_t *p)
{
    int i;

    for (i = 0; settings[i] != NULL; i++) {
        push_option(list, "-iex", settings[i]);
    }
    push_option(list, "-iex", apr_pstrcat(p, "set sysroot ", place->sysroot, NULL));
    push_option(list, "-iex", apr_pstrcat(p, "set debug-file-directory ", place->debug_dir, NULL));
    if (with_printers) {
        push_option(list, "-iex", printers);
    }
}

/* What gdb_python.py does not say itself. */
static const char python_limits[] =
    "HELPER = '" WORKER_GDB_AT_PYTHON_HELPER "'; MAX_THREADS, MAX_TEXT, MAX_BYTES, MAX_SECONDS "
    "= " TEXT(WORKER_GDB_PYTHON_THREADS) ", " TEXT(WORKER_GDB_PYTHON_TEXT) ", " TEXT(
        WORKER_GDB_PYTHON_ALL) ", " TEXT(WORKER_GDB_PYTHON_SECONDS);

/* In one line and without a file, as hexadecimal digits mean nothing to gdb. */
static const char *script_step(const char *limits, const char *script, const char *end,
                               apr_pool_t *p)
{
    /* cppcheck-suppress comparePointers ; both ends of one object, of which C sees two names */
    apr_ssize_t length = end - script;

    return apr_pstrcat(p, "python ", limits, "; exec(bytes.fromhex('",
                       apr_pescape_hex(p, script, length, 0), "').decode())", NULL);
}

/* @return NULL for a step that this plan has not */
static const char *step_command(int step, const worker_gdb_plan_t *plan, bool simple, apr_pool_t *p)
{
    if (step == WORKER_GDB_STEP_FRAMES) {
        return script_step(frames_limits, worker_gdb_frames_script, worker_gdb_frames_script_end,
                           p);
    }
    if (step == WORKER_GDB_STEP_PYTHON) {
        return plan->python_helper == NULL
            ? NULL
            : script_step(python_limits, worker_gdb_python_script, worker_gdb_python_script_end, p);
    }
    return simple && step == WORKER_GDB_STEP_BACKTRACE ? simple_backtrace : steps[step];
}

static void push_steps(apr_array_header_t *list, const worker_gdb_plan_t *plan, const char *nonce,
                       bool simple, apr_pool_t *p)
{
    int i;

    for (i = WORKER_GDB_STEP_HEAD + 1; i < WORKER_GDB_STEPS; i++) {
        const char *command = step_command(i, plan, simple, p);

        if (command != NULL) {
            push_option(list, "-ex", apr_psprintf(p, "echo \\n%s:%d\\n", nonce, i));
            push_option(list, "-ex", command);
        }
    }
}

static const char *const sandbox_start[] = { WORKER_GDB_AT_LOADER,
                                             "--library-path",
                                             WORKER_GDB_AT_LIBRARIES,
                                             WORKER_GDB_AT_PROGRAM,
                                             "--data-directory",
                                             WORKER_GDB_AT_DATA,
                                             NULL };

const worker_gdb_place_t worker_gdb_place_sandbox = {
    .start = sandbox_start,
    .sysroot = WORKER_SYSROOT,
    .debug_dir = WORKER_SYSROOT "/usr/lib/debug",
    .core = WORKER_GDB_AT_CORE,
};

static void push_all(apr_array_header_t *list, const char *const *words)
{
    while (*words != NULL) {
        push(list, *words++);
    }
}

const char *const *worker_gdb_argv(const worker_gdb_place_t *place, const worker_gdb_plan_t *plan,
                                   const char *nonce, bool simple, apr_pool_t *p)
{
    static const char *const options[] = { "-q", "-nx", "-nh", "-batch", NULL };
    apr_array_header_t *list = apr_array_make(p, 96, sizeof(const char *));

    push_all(list, place->start);
    push_all(list, options);
    push_settings(list, place, plan->printers != NULL, p);
    if (plan->program != NULL) {
        push(list, apr_pstrcat(p, "--se=", place->sysroot, plan->program, NULL));
    }
    push(list, apr_pstrcat(p, "--core=", place->core, NULL));
    if (plan->program == NULL) {
        push_option(list, "-ex", read_symbols);
    }
    push_steps(list, plan, nonce, simple, p);
    push(list, NULL);
    return (const char *const *)list->elts;
}

const char *const *worker_gdb_environment(void)
{
    static const char *const environment[] = {
        "HOME=/nonexistent",
        "LC_ALL=C.UTF-8",
        "LOCPATH=" WORKER_GDB_AT_LOCALES,
        "GCONV_PATH=" WORKER_GDB_AT_CHARSETS,
        "PYTHONHOME=" WORKER_GDB_AT_PYTHON,
        "PYTHONDONTWRITEBYTECODE=1",
        "PYTHONNOUSERSITE=1",
        "MALLOC_ARENA_MAX=2", /* an arena per thread would eat the address space */
        "TERM=dumb",
        NULL
    };

    return environment;
}
