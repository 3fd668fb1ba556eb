/* SPDX-License-Identifier: Apache-2.0 */
/* See package_list.h. Whoever reads may meet any content: nothing is believed but the place of the
 * newlines, and every step makes what is left smaller. */
#include "lib/package_list.h"

#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/fs.h"
#include "lib/nevra.h"

#define MAGIC      "retrace-packages 1 "
#define HEADER_MAX (sizeof(MAGIC) + 20 + RETRACE_PACKAGE_STATE_MAX + 1) /* bytes, with a NUL */
#define STATE_NONE "none" /* of a repository without metadata */
#define REMOTE     ".remote"

retrace_package_state_t retrace_package_state(int repository, bool with_remote)
{
    const char *remote = with_remote ? REMOTE : "";
    retrace_package_state_t state;
    struct stat info;

    if (fstatat(repository, "repodata/repomd.xml", &info, 0) == 0) {
        snprintf(state.text, sizeof(state.text), "%lld.%09ld.%lld%s",
                 (long long)info.st_mtim.tv_sec, info.st_mtim.tv_nsec, (long long)info.st_size,
                 remote);
    }
    else {
        snprintf(state.text, sizeof(state.text), STATE_NONE "%s", remote);
    }
    return state;
}

/* --- Reading ------------------------------------------------------------------------------- */

/* @param header  NUL-terminated @return false for any other text */
static bool parse_header(retrace_package_list_t *list, const char *header, apr_off_t size)
{
    const char *newline = strchr(header, '\n');
    const char *at = header + strlen(MAGIC);
    char *end = NULL;
    long long bytes;

    if (newline == NULL || strncmp(header, MAGIC, strlen(MAGIC)) != 0 || at[0] < '0'
        || at[0] > '9') {
        return false;
    }
    errno = 0;
    bytes = strtoll(at, &end, 10);
    list->first = newline - header + 1;
    list->end = size;
    if (errno != 0 || end[0] != ' ' || bytes != size - list->first
        || newline - end - 1 >= (long)sizeof(list->state.text)) {
        return false;
    }
    memset(&list->state, 0, sizeof(list->state));
    memcpy(list->state.text, end + 1, (size_t)(newline - end - 1));
    return true;
}

static apr_status_t read_header(retrace_package_list_t *list, const char *release,
                                retrace_error_t *err)
{
    char header[HEADER_MAX] = "";
    struct stat info;

    if (fstat(list->fd, &info) != 0 || !S_ISREG(info.st_mode)
        || pread(list->fd, header, sizeof(header) - 1, 0) < 0
        || !parse_header(list, header, info.st_size)) {
        return retrace_fail(err, APR_EINVAL, "packages/%s is no whole list of packages", release);
    }
    list->checked = apr_time_make(info.st_mtim.tv_sec, info.st_mtim.tv_nsec / 1000);
    return APR_SUCCESS;
}

apr_status_t retrace_package_list_open(retrace_package_list_t *list, int lists, const char *release,
                                       retrace_error_t *err)
{
    retrace_package_list_t opened = { .fd = -1 };
    apr_status_t rv;

    /* O_NONBLOCK: a FIFO of that name must not hold us. */
    opened.fd = openat(lists, release, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (opened.fd < 0) {
        return retrace_fail(err, errno, "open packages/%s", release);
    }
    rv = read_header(&opened, release, err);
    if (rv != APR_SUCCESS) {
        (void)close(opened.fd);
        return rv;
    }
    *list = opened;
    return APR_SUCCESS;
}

bool retrace_package_list_is_empty(const retrace_package_list_t *list)
{
    return list->first >= list->end;
}

/** A line as it stands in the file. */
typedef struct line_t {
    char text[RETRACE_PACKAGE_LINE_MAX + 1]; /* without its newline */
    apr_off_t begin;
    apr_off_t next; /* where the next one begins */
} line_t;

/* Where the first newline is, if it comes within a line's length; else NULL. */
static const char *find_newline(const char *text, size_t length)
{
    return memchr(text, '\n',
                  length < RETRACE_PACKAGE_LINE_MAX ? length : RETRACE_PACKAGE_LINE_MAX);
}

/* The first line that begins at `from` or behind it, which is behind `first`, unless it is that.
 * @return false when there is none, or the file is damaged there */
static bool read_line(line_t *line, const retrace_package_list_t *list, apr_off_t from)
{
    char block[2 * RETRACE_PACKAGE_LINE_MAX];
    apr_off_t start =
        from > list->first ? from - 1 : from; /* its newline tells that a line begins */
    ssize_t got = pread(list->fd, block, sizeof(block), start);
    const char *text = block;
    const char *newline;

    if (got <= 0) {
        return false;
    }
    if (from > list->first) {
        text = find_newline(block, (size_t)got);
        if (text == NULL) {
            return false;
        }
        text++;
    }
    newline = find_newline(text, (size_t)(block + got - text));
    if (newline == NULL) {
        return false;
    }
    memcpy(line->text, text, (size_t)(newline - text));
    line->text[newline - text] = '\0';
    line->begin = start + (text - block);
    line->next = start + (newline - block) + 1;
    return true;
}

/* As strcmp does with a line's first word. The space behind it is less than all that a package's
 * name may have, so that lines and names have one order. */
static int compare(const char *line, const char *package)
{
    size_t length = strlen(package);
    int order = strncmp(line, package, length);

    return order != 0 || line[length] == ' ' ? order : 1;
}

bool retrace_package_list_has(const retrace_package_list_t *list, const char *package)
{
    apr_off_t low = list->first; /* lines that begin before it are less */
    apr_off_t high = list->end;  /* lines that begin there or behind it are greater */
    line_t line;
    int order;

    while (low < high) {
        apr_off_t middle = low + (high - low) / 2;

        if (!read_line(&line, list, middle) || line.begin >= high) {
            high = middle;
            continue;
        }
        order = compare(line.text, package);
        if (order == 0) {
            return true;
        }
        if (order < 0) {
            low = line.next;
        }
        else {
            high = middle;
        }
    }
    return false;
}

/* --- Writing ------------------------------------------------------------------------------- */

const char *retrace_package_line(const char *name, const char *epoch, const char *version,
                                 const char *release, const char *arch, apr_pool_t *p)
{
    retrace_nevra_t nevra;
    const char *package = apr_pstrcat(p, name, "-", version, "-", release, NULL);
    const char *number = epoch != NULL && epoch[0] != '\0' ? epoch : "0";
    const char *line = apr_pstrcat(p, package, ".", arch, " ", number, NULL);

    if (!retrace_nevra_parse(&nevra, package) || nevra.epoch[0] != '\0' || arch[0] == '\0'
        || strspn(arch, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(arch)
        || strspn(number, "0123456789") != strlen(number)
        || strlen(line) >= RETRACE_PACKAGE_LINE_MAX) {
        return NULL;
    }
    return line;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, each with its newline, equal ones once; in p. */
static char *lay_out(apr_array_header_t *lines, apr_pool_t *p)
{
    const char *before = "";
    apr_size_t bytes = 1;
    char *text;
    char *at;
    int i;

    for (i = 0; i < lines->nelts; i++) {
        bytes += strlen(APR_ARRAY_IDX(lines, i, const char *)) + 1;
    }
    qsort(lines->elts, (size_t)lines->nelts, sizeof(const char *), compare_lines);
    text = apr_palloc(p, bytes);
    for (at = text, i = 0; i < lines->nelts; i++) {
        const char *line = APR_ARRAY_IDX(lines, i, const char *);

        if (strcmp(line, before) != 0) {
            at = stpcpy(stpcpy(at, line), "\n");
        }
        before = line;
    }
    *at = '\0';
    return text;
}

apr_status_t retrace_package_list_write(int lists, const char *release,
                                        const retrace_package_state_t *state,
                                        apr_array_header_t *lines, retrace_error_t *err,
                                        apr_pool_t *p)
{
    const char *body = lay_out(lines, p);
    const char *text = apr_pstrcat(p, MAGIC, apr_psprintf(p, "%" APR_SIZE_T_FMT, strlen(body)), " ",
                                   state->text, "\n", body, NULL);

    return retrace_fs_replace(lists, release, text, strlen(text), 0640, false, err);
}

apr_status_t retrace_package_list_touch(int lists, const char *release, retrace_error_t *err)
{
    return utimensat(lists, release, NULL, AT_SYMLINK_NOFOLLOW) == 0
        ? APR_SUCCESS
        : retrace_fail(err, errno, "touch packages/%s", release);
}
