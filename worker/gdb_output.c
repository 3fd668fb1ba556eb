/* SPDX-License-Identifier: Apache-2.0 */
/* What gdb said: cut at the announcements, cleaned, and without complaints that say nothing about
 * the crash. */
#include <apr_strings.h>
#include <ctype.h>
#include <fnmatch.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "worker/gdb_private.h"
#include "worker/text.h"

#define AROUND 8 /* instructions before and behind the one that crashed */

/* Complaints that come of how gdb is used here, of its kernel being newer, or of nothing at all. */
static const char *const empty_words[] = {
    "*Section `.reg*' in core file too small.",
    "*Unexpected size of section `.reg*' in core file.",
    "*Unable to find libthread_db matching inferior's thread library*",
    "*exec file is newer than core file.",
    "*Can't open file * during file-backed mapping note processing", /* the report lists files */
    "*index cache directory*",
    "[0-9]*\t*: No such file or directory.",
    "[0-9]*\tin *",
    "Undefined set *command:*",
    "Undefined command: \"-c\"*",
    "No symbol \"debuginfod\" in current context.",
    "No symbol table is loaded.  Use the \"file\" command.",
    "No function contains program counter for selected frame.",
    "No frame selected.",
    "Python scripting is not supported in this copy of GDB.",
    "Use the \"info sharedlibrary\" command to see the complete listing.",
    "Do you need \"set solib-search-path\" or \"set sysroot\"[?]",
    "warning: Could not load shared library symbols for linux-*.so.*",
    NULL,
};

/* The next announcement: where its text begins and which step it is. */
static const char *find_announcement(worker_gdb_step_t *pstep, const char **pline, const char *from,
                                     const char *end, const char *nonce)
{
    apr_size_t length = strlen(nonce);
    const char *at = from;

    while ((at = memmem(at, (size_t)(end - at), nonce, length)) != NULL) {
        const char *digit = at + length + 1;

        if (end - at > (ptrdiff_t)length + 2 && digit[-1] == ':' && digit[0] > '0'
            && digit[0] < '0' + WORKER_GDB_STEPS && digit[1] == '\n') {
            *pstep = (worker_gdb_step_t)(digit[0] - '0');
            *pline = at;
            return digit + 2;
        }
        at += length;
    }
    return NULL;
}

static const char *cut(const char *from, const char *end, apr_pool_t *p)
{
    while (from < end && from[0] == '\n') {
        from++;
    }
    while (end > from && end[-1] == '\n') {
        end--;
    }
    return from == end
        ? ""
        : apr_pstrcat(p, worker_text_clean(from, (apr_size_t)(end - from), p), "\n", NULL);
}

static worker_gdb_step_t split_steps(const char **steps, const char *output, apr_size_t length,
                                     const char *nonce, apr_pool_t *p)
{
    const char *end = output + length;
    const char *from = output;
    worker_gdb_step_t step = WORKER_GDB_STEP_HEAD;
    worker_gdb_step_t next = step;

    while (from != NULL) {
        const char *line = end;
        const char *after = find_announcement(&next, &line, from, end, nonce);

        steps[step] = cut(from, line, p);
        step = next;
        from = after;
    }
    return step;
}

static const char *next_line(const char *line)
{
    const char *end = strchr(line, '\n');

    return end != NULL ? end + 1 : line + strlen(line);
}

static bool is_instruction(const char *line)
{
    return strncmp(line, "=> ", 3) == 0 || strncmp(line, "   0x", 5) == 0;
}

/* The lines around the marked one. */
static const char *trim_function(const char *function, const char *marked, apr_pool_t *p)
{
    const char *from = marked;
    const char *to = next_line(marked);
    const char *title = "";
    int i;

    for (i = 0; i < AROUND && from > function; i++) {
        const char *before = from - 1;

        while (before > function && before[-1] != '\n') {
            before--;
        }
        if (!is_instruction(before)) {
            break;
        }
        from = before;
    }
    for (i = 0; i < AROUND && is_instruction(to); i++) {
        to = next_line(to);
    }
    if (strncmp(function, "Dump of assembler code ", 23) == 0) {
        title = apr_pstrndup(p, function, (apr_size_t)(next_line(function) - function));
    }
    return apr_pstrcat(p, title, apr_pstrndup(p, from, (apr_size_t)(to - from)), NULL);
}

const char *worker_gdb_disassembly(const char *function, const char *instructions, apr_pool_t *p)
{
    const char *line;
    const char *colon;

    for (line = function; *line != '\0'; line = next_line(line)) {
        if (strncmp(line, "=> ", 3) == 0) {
            return trim_function(function, line, p);
        }
    }
    /* "=> 0x0:\t" and no more: that is where reading failed. */
    colon = strstr(instructions, ":\t");
    if (colon != NULL && (colon[2] == '\n' || colon[2] == '\0')) {
        return apr_psprintf(p, "%.*s: this memory cannot be read\n", (int)(colon - instructions),
                            instructions);
    }
    return instructions;
}

worker_gdb_step_t worker_gdb_split(const char **sections, const char *output, apr_size_t length,
                                   const char *nonce, apr_pool_t *p)
{
    const char *steps[WORKER_GDB_STEPS];
    worker_gdb_step_t last;
    int i;

    for (i = 0; i < WORKER_GDB_STEPS; i++) {
        steps[i] = "";
    }
    last = split_steps(steps, output, length, nonce, p);
    sections[WORKER_GDB_HEAD] = steps[WORKER_GDB_STEP_HEAD];
    sections[WORKER_GDB_THREADS] = steps[WORKER_GDB_STEP_THREADS];
    sections[WORKER_GDB_BACKTRACE] = steps[WORKER_GDB_STEP_BACKTRACE];
    sections[WORKER_GDB_LIBRARIES] = steps[WORKER_GDB_STEP_LIBRARIES];
    sections[WORKER_GDB_REGISTERS] = steps[WORKER_GDB_STEP_REGISTERS];
    sections[WORKER_GDB_DISASSEMBLY] = worker_gdb_disassembly(
        steps[WORKER_GDB_STEP_FUNCTION], steps[WORKER_GDB_STEP_INSTRUCTIONS], p);
    sections[WORKER_GDB_PYTHON] = steps[WORKER_GDB_STEP_PYTHON];
    sections[WORKER_GDB_FRAMES] = steps[WORKER_GDB_STEP_FRAMES];
    return last;
}

static bool says_something(const char *line)
{
    int i;

    if (line[strspn(line, " \t")] == '\0') {
        return false;
    }
    for (i = 0; empty_words[i] != NULL; i++) {
        if (fnmatch(empty_words[i], line, FNM_NOESCAPE) == 0) {
            return false;
        }
    }
    return true;
}

const char *worker_gdb_messages(const char *messages, apr_size_t length, apr_pool_t *p)
{
    char *text = apr_pstrcat(p, worker_text_clean(messages, length, p), "\n", NULL);
    char *out = text;
    char *line = text;

    while (*line != '\0') {
        size_t here = strcspn(line, "\n");
        char *next = line + here + 1;

        line[here] = '\0';
        if (says_something(line)) {
            memmove(out, line, here);
            out[here] = '\n';
            out += here + 1;
        }
        line = next;
    }
    *out = '\0';
    return text;
}
