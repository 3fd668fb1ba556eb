/* SPDX-License-Identifier: Apache-2.0 */
/* See report.h. The backtraces are gdb's own words: clients find "Thread N" and "#0" in them. */
#include "worker/report.h"

#include <apr_escape.h>
#include <apr_strings.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "worker/resolve/resolve.h"
#include "worker/signals.h"

/* Texts in order; joined once at the end. */
typedef struct report_t {
    apr_array_header_t *parts; /* of const char * */
    apr_pool_t *pool;
} report_t;

__attribute__((format(printf, 2, 3))) static void add(report_t *report, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    APR_ARRAY_PUSH(report->parts, const char *) = apr_pvsprintf(report->pool, format, args);
    va_end(args);
}

static void add_heading(report_t *report, const char *title)
{
    add(report, "\n== %s\n\n", title);
}

static void add_section(report_t *report, const char *title, const char *text)
{
    size_t length = strlen(text);

    if (length == 0) {
        return;
    }
    add_heading(report, title);
    APR_ARRAY_PUSH(report->parts, const char *) = text;
    if (text[length - 1] != '\n') {
        add(report, "\n");
    }
}

static void add_fact(report_t *report, const char *name, const char *value)
{
    if (value != NULL && value[0] != '\0') {
        add(report, "%-12s %s\n", name, value);
    }
}

static const char *describe_signal(const worker_core_t *core, apr_pool_t *p)
{
    const char *name = worker_signal_name(core->signal);
    const char *cause;
    const char *text;

    if (core->signal == 0) {
        return "none: the core was taken from a live process";
    }
    text = apr_psprintf(p, "%d (%s)", core->signal, name != NULL ? name : "no common signal");
    if (!core->has_siginfo) {
        return text;
    }
    cause = worker_signal_cause(core->signal, core->signal_code);
    if (cause != NULL) {
        text = apr_pstrcat(p, text, ": ", cause, NULL);
    }
    if (core->signal_code > 0) {
        return apr_psprintf(p, "%s, address 0x%" APR_UINT64_T_HEX_FMT, text,
                            (apr_uint64_t)core->fault_address);
    }
    return core->sender_pid > 0 ? apr_psprintf(p, "%s, by process %d", text, core->sender_pid)
                                : text;
}

static const char *describe_package(const worker_module_t *program, apr_pool_t *p)
{
    if (program == NULL || program->package_name == NULL) {
        return NULL;
    }
    return apr_psprintf(p, "%s %s %s (says its package note)", program->package_name,
                        program->package_version != NULL ? program->package_version : "",
                        program->package_arch != NULL ? program->package_arch : "");
}

static const char *describe_system(const worker_claims_t *claims, const worker_module_t *program,
                                   apr_pool_t *p)
{
    if (claims->os_release != NULL || program == NULL || program->package_os_cpe == NULL) {
        return claims->os_release;
    }
    return apr_pstrcat(p, program->package_os_cpe, " (says its package note)", NULL);
}

static void add_crash(report_t *report, const worker_core_t *core, const worker_claims_t *claims)
{
    apr_pool_t *p = report->pool;

    add(report, "== Crash\n\n");
    add_fact(report, "Program",
             core->program != NULL ? apr_pescape_echo(p, core->program->path, 0)
                                   : claims->executable);
    add_fact(report, "Build-id", core->program != NULL ? core->program->build_id : NULL);
    add_fact(report, "Command", core->arguments);
    add_fact(report, "Package", claims->package);
    add_fact(report, "Package note", describe_package(core->program, p));
    add_fact(report, "System", describe_system(claims, core->program, p));
    add_fact(report, "Architecture", core->arch);
    add_fact(report, "Process", core->pid > 0 ? apr_itoa(p, core->pid) : NULL);
    add_fact(report, "Threads", apr_psprintf(p, "%u", core->thread_count));
    add_fact(report, "Signal", describe_signal(core, p));
    if (core->is_truncated) {
        add(report, "\nThe core is truncated: what follows may be incomplete.\n");
    }
}

static bool is_missing(const worker_resolved_t *resolved)
{
    return resolved->executable == NULL;
}

static const char *find_missing_at(const apr_array_header_t *resolved, uint64_t address)
{
    int i;

    for (i = 0; i < resolved->nelts; i++) {
        const worker_resolved_t *one = &APR_ARRAY_IDX(resolved, i, worker_resolved_t);

        if (is_missing(one) && address >= one->module->start && address < one->module->end) {
            return one->module->path;
        }
    }
    return NULL;
}

/* Where a frame stands, of its line ("#0  0x0000… in"); 0 when gdb prints none, which it does at the
 * beginning of a line of known source. */
static uint64_t address_of_frame(const char *line)
{
    const char *at = line + 1 + strspn(line + 1, "0123456789");

    at += strspn(at, " ");
    return strncmp(at, "0x", 2) == 0 ? (uint64_t)strtoull(at, NULL, 16) : 0;
}

static void add_part(report_t *report, const char *from, const char *to)
{
    APR_ARRAY_PUSH(report->parts, const char *) =
        apr_pstrmemdup(report->pool, from, (apr_size_t)(to - from));
}

/* The frame of a missing file is the last one of its thread that is known: whatever gdb finds below
 * it is said to be a guess at that very place. */
static void add_frames(report_t *report, const apr_array_header_t *resolved, const char *text)
{
    const char *missing = NULL; /* what the frame above is in */
    bool is_told = false;       /* in this thread */
    const char *from = text;
    const char *line;
    const char *next;

    for (line = text; line != NULL && line[0] != '\0'; line = next) {
        if (line[0] == 'T') {
            missing = NULL;
            is_told = false;
        }
        else if (line[0] == '#' && missing != NULL && !is_told) {
            add_part(report, from, line);
            add(report, "MISSING: %s: the frames below are guesses.\n",
                apr_pescape_echo(report->pool, missing, 0));
            from = line;
            is_told = true;
        }
        else if (line[0] == '#' && !is_told) {
            /* But for the innermost one: it is where a call returns to, maybe behind the end. */
            missing = find_missing_at(resolved, address_of_frame(line) - (line[1] != '0'));
        }
        next = strchr(line, '\n');
        next = next != NULL ? next + 1 : NULL;
    }
    APR_ARRAY_PUSH(report->parts, const char *) = from;
}

/* Without the file gdb guesses where a frame ends, and reads its code as zeros. */
static void add_backtraces(report_t *report, const apr_array_header_t *resolved, const char *text)
{
    int i;

    add_heading(report, "Backtraces of all threads");
    for (i = 0; i < resolved->nelts; i++) {
        const worker_resolved_t *one = &APR_ARRAY_IDX(resolved, i, worker_resolved_t);

        if (is_missing(one)) {
            add(report, "MISSING: %s: frames in it, and those below them, are guesses.\n\n",
                apr_pescape_echo(report->pool, one->module->path, 0));
        }
    }
    add_frames(report, resolved, text);
}

static uint64_t find_crash_address(const char *backtrace)
{
    const char *frame = strstr(backtrace, "\n#0  ");

    return frame != NULL ? address_of_frame(frame + 1) : 0;
}

static void add_code(report_t *report, const apr_array_header_t *resolved,
                     const worker_gdb_output_t *gdb)
{
    const char *missing =
        find_missing_at(resolved, find_crash_address(gdb->sections[WORKER_GDB_BACKTRACE]));
    const char *text = gdb->sections[WORKER_GDB_DISASSEMBLY];

    if (missing != NULL) {
        text = apr_pstrcat(report->pool, "The code is in ",
                           apr_pescape_echo(report->pool, missing, 0), ", which is missing.", NULL);
    }
    add_section(report, "Code around the crash", text);
}

static const char *describe_found(const worker_resolved_t *resolved, apr_pool_t *p)
{
    const char *executable = resolved->executable != NULL ? "executable" : "executable MISSING";
    const char *debuginfo = "debug info MISSING";

    if (resolved->debuginfo != NULL
        || (resolved->executable != NULL && resolved->executable->elf->has_debug_info)) {
        debuginfo = "debug info";
    }
    else if (resolved->missing_dwz != NULL) {
        debuginfo = apr_pstrcat(p, "debug info unusable, its dwz file ", resolved->missing_dwz,
                                " is MISSING", NULL);
    }
    return apr_pstrcat(p, executable, ", ", debuginfo, resolved->asked != NULL ? "; asked: " : NULL,
                       resolved->asked, NULL);
}

static void add_files(report_t *report, const worker_core_t *core,
                      const apr_array_header_t *resolved)
{
    int i;

    add_heading(report, "Files of the process");
    for (i = 0; i < core->modules->nelts; i++) {
        const worker_module_t *module = &APR_ARRAY_IDX(core->modules, i, worker_module_t);
        const worker_resolved_t *found = worker_resolved_of(resolved, module);
        const char *state = "no build-id in the core: not looked for";

        if (!module->is_elf) {
            continue;
        }
        if (found != NULL) {
            state = describe_found(found, report->pool);
        }
        add(report, "0x%016" APR_UINT64_T_HEX_FMT " %s\n    %s: %s\n", (apr_uint64_t)module->start,
            apr_pescape_echo(report->pool, module->path, 0),
            module->build_id != NULL ? module->build_id : "-", state);
    }
}

const char *worker_report(const worker_core_t *core, const worker_claims_t *claims,
                          const apr_array_header_t *resolved, const worker_gdb_output_t *gdb,
                          apr_pool_t *p)
{
    report_t report = { apr_array_make(p, 64, sizeof(const char *)), p };

    add_crash(&report, core, claims);
    add_section(&report, "Threads", gdb->sections[WORKER_GDB_THREADS]);
    add_backtraces(&report, resolved, gdb->sections[WORKER_GDB_BACKTRACE]);
    add_section(&report, "Python backtrace", gdb->sections[WORKER_GDB_PYTHON]);
    add_files(&report, core, resolved);
    add_section(&report, "Shared libraries", gdb->sections[WORKER_GDB_LIBRARIES]);
    add_section(&report, "Registers", gdb->sections[WORKER_GDB_REGISTERS]);
    add_code(&report, resolved, gdb);
    add_section(&report, "What gdb said", gdb->messages);
    return apr_array_pstrcat(p, report.parts, '\0');
}
