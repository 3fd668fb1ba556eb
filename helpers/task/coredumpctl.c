/* SPDX-License-Identifier: Apache-2.0 */
/* See coredumpctl.h. */
#include "helpers/task/coredumpctl.h"

#include <apr_strings.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "helpers/task/exit.h"
#include "helpers/task/process.h"
#include "helpers/task/temporary.h"
#include "helpers/task/text.h"

#define PROGRAM  "coredumpctl"
#define INFO_MS  (60 * 1000)
#define DUMP_MS  (10 * 60 * 1000)
#define WORD_MAX 4096 /* characters of a path or a name */
#define PID_MAX  10   /* digits */

typedef struct label_t {
    const char *name;
    size_t offset;
} label_t;

static const label_t labels[] = {
    { "PID", offsetof(task_crash_info_t, pid) },
    { "Executable", offsetof(task_crash_info_t, executable) },
    { "Package", offsetof(task_crash_info_t, package) },
};

/* --- What it prints ------------------------------------------------------------------------ */

static void take_line(task_crash_info_t *info, const char *line, size_t length, apr_pool_t *p)
{
    size_t i;

    while (length > 0 && *line == ' ') {
        line++;
        length--;
    }
    for (i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
        size_t name = strlen(labels[i].name);
        const char **field = (const char **)((char *)info + labels[i].offset);

        if (length > name + 2 && strncmp(line, labels[i].name, name) == 0
            && strncmp(line + name, ": ", 2) == 0 && *field == NULL) {
            *field = apr_pstrmemdup(p, line + name + 2, length - name - 2);
        }
    }
}

/* "12345 (name)" */
static bool cut_pid(char *pid)
{
    size_t digits = strspn(pid, "0123456789");

    if (digits == 0 || digits > PID_MAX || (pid[digits] != ' ' && pid[digits] != '\0')) {
        return false;
    }
    pid[digits] = '\0';
    return true;
}

/* "bash/5.2.15-3.fc38" */
static const char *join_package(const char *package, apr_pool_t *p)
{
    char *slash;
    char *copy;

    if (package == NULL || !task_text_is_word(package, WORD_MAX)) {
        return NULL;
    }
    copy = apr_pstrdup(p, package);
    slash = strchr(copy, '/');
    if (slash != NULL) {
        *slash = '-';
    }
    return copy;
}

bool task_coredumpctl_parse(task_crash_info_t *info, const char *text, apr_pool_t *p)
{
    task_crash_info_t found = { 0 };
    char *pid;

    while (*text != '\0') {
        size_t length = strcspn(text, "\n");

        take_line(&found, text, length, p);
        text += length + (text[length] == '\n' ? 1 : 0);
    }
    if (found.pid == NULL) {
        return false;
    }
    pid = apr_pstrdup(p, found.pid);
    if (!cut_pid(pid)) {
        return false;
    }
    found.pid = pid;
    if (found.executable != NULL
        && (found.executable[0] != '/' || strlen(found.executable) > WORD_MAX)) {
        found.executable = NULL;
    }
    found.package = join_package(found.package, p);
    *info = found;
    return true;
}

/* --- Asking it ----------------------------------------------------------------------------- */

/* Its own reason is the last line of what it wrote. */
static apr_status_t refuse(retrace_error_t *err, const char *match, const char *said)
{
    size_t end = strlen(said);
    size_t start;

    while (end > 0 && said[end - 1] == '\n') {
        end--;
    }
    for (start = end; start > 0 && said[start - 1] != '\n'; start--) {
    }
    return retrace_fail(err, TASK_STATUS(TASK_EXIT_SOURCE), "coredumpctl has no core of %s%s%.*s",
                        match, end > start ? ": " : "", (int)(end - start), said + start);
}

static apr_status_t ask_info(task_crash_info_t *info, const char *match, retrace_error_t *err,
                             apr_pool_t *p)
{
    const char *const argv[] = { PROGRAM, "--no-pager", "info", "-1", match, NULL };
    const task_process_t process = { .argv = argv, .out = -1, .max_ms = INFO_MS };
    const char *said = "";
    apr_status_t rv = task_process_run(&said, &process, err, p);

    if (rv == APR_EGENERAL || (rv == APR_SUCCESS && !task_coredumpctl_parse(info, said, p))) {
        return refuse(err, match, "");
    }
    return task_exit_as(TASK_EXIT_SOURCE, rv, err);
}

/* It writes to standard output: no path that another program could meet. */
static apr_status_t dump(int fd, const char *pid, retrace_error_t *err, apr_pool_t *p)
{
    const char *const argv[] = { PROGRAM, "--no-pager", "dump", pid, NULL };
    const task_process_t process = { .argv = argv, .out = fd, .max_ms = DUMP_MS };
    const char *said = "";
    apr_status_t rv = task_process_run(&said, &process, err, p);

    return rv == APR_EGENERAL ? refuse(err, pid, said) : task_exit_as(TASK_EXIT_SOURCE, rv, err);
}

apr_status_t task_coredumpctl_open(task_source_t *source, const char *match, retrace_error_t *err,
                                   apr_pool_t *p)
{
    task_source_t found = *source;
    task_crash_info_t info = { 0 };
    apr_status_t rv;

    if (match[0] == '-' || match[0] == '\0') {
        return retrace_fail(err, TASK_STATUS(TASK_EXIT_SOURCE),
                            "coredumpctl: wants a process id or a program");
    }
    rv = ask_info(&info, match, err, p);
    if (rv == APR_SUCCESS) {
        rv = task_temporary_open(&found.core, err);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    task_source_own(found.core, p);
    rv = dump(found.core, info.pid, err, p);
    if (rv == APR_SUCCESS) {
        rv = task_core_inspect(&found.packing, &found.core_bytes, found.core,
                               "what coredumpctl gives", err);
    }
    if (rv == APR_SUCCESS) {
        (void)lseek(found.core, 0, SEEK_SET);
        found.members[TASK_MEMBER_EXECUTABLE] = info.executable;
        found.members[TASK_MEMBER_PACKAGE] = info.package;
        *source = found;
    }
    return rv;
}
