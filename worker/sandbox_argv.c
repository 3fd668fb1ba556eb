/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of bwrap: a pure function of the plan and of what `bwrap --help` lists. The
 * options that are always used are those of bwrap 0.4.0. */
#include "worker/sandbox_private.h"

#include <apr_strings.h>
#include <ctype.h>
#include <string.h>

#define ARGV(list) ((const char *const *)(list)->elts)

static void push(apr_array_header_t *list, const char *word)
{
    APR_ARRAY_PUSH(list, const char *) = word;
}

static void push_all(apr_array_header_t *list, const char *const *words)
{
    while (*words != NULL) {
        push(list, *words++);
    }
}

/* Is this option a word of the help text? */
static bool lists_option(const char *help, const char *option)
{
    size_t length = strlen(option);
    const char *at = help;

    while ((at = strstr(at, option)) != NULL) {
        if (at > help && isspace((unsigned char)at[-1])
            && (at[length] == '\0' || isspace((unsigned char)at[length]))) {
            return true;
        }
        at += length;
    }
    return false;
}

/* Absolute, and no component is empty, "." or "..". */
static bool is_plain_path(const char *path)
{
    const char *at = path;

    if (path == NULL || path[0] != '/' || path[1] == '\0') {
        return false;
    }
    while (*at == '/') {
        size_t length = strcspn(++at, "/");

        if (length == 0 || (length == 1 && at[0] == '.')
            || (length == 2 && at[0] == '.' && at[1] == '.')) {
            return false;
        }
        at += length;
    }
    return true;
}

static bool is_below(const char *path, const char *above)
{
    size_t length = strlen(above);

    return strncmp(path, above, length) == 0 && path[length] == '/';
}

static const worker_link_t *link_at(const worker_sandbox_t *sandbox, int i)
{
    return &APR_ARRAY_IDX(sandbox->links, i, worker_link_t);
}

static int count_of(const apr_array_header_t *list)
{
    return list != NULL ? list->nelts : 0;
}

static apr_status_t check_target(const worker_sandbox_t *sandbox, const char *path,
                                 retrace_error_t *err)
{
    int i;

    if (!is_plain_path(path)) {
        return retrace_fail(err, APR_EINVAL, "%s is no path for a sandbox",
                            path != NULL ? path : "(nothing)");
    }
    for (i = 0; i < count_of(sandbox->links); i++) {
        const char *other = link_at(sandbox, i)->path;

        if (other != NULL && is_below(path, other)) {
            return retrace_fail(err, APR_EINVAL, "%s leads through the link %s in the sandbox",
                                path, other);
        }
    }
    return APR_SUCCESS;
}

static apr_status_t add_binds(apr_array_header_t *list, const worker_sandbox_t *sandbox,
                              retrace_error_t *err)
{
    int i;

    for (i = 0; i < count_of(sandbox->binds); i++) {
        const worker_bind_t *bind = &APR_ARRAY_IDX(sandbox->binds, i, worker_bind_t);
        apr_status_t rv = check_target(sandbox, bind->target, err);

        if (rv == APR_SUCCESS && (bind->source == NULL || bind->source[0] != '/')) {
            rv =
                retrace_fail(err, APR_EINVAL, "the file for %s has no absolute path", bind->target);
        }
        if (rv != APR_SUCCESS) {
            return rv;
        }
        push(list, "--ro-bind");
        push(list, bind->source);
        push(list, bind->target);
    }
    return APR_SUCCESS;
}

static apr_status_t add_links(apr_array_header_t *list, const worker_sandbox_t *sandbox,
                              retrace_error_t *err)
{
    int i;

    for (i = 0; i < count_of(sandbox->links); i++) {
        const worker_link_t *link = link_at(sandbox, i);
        apr_status_t rv = check_target(sandbox, link->path, err);

        if (rv == APR_SUCCESS && (link->content == NULL || link->content[0] == '\0')) {
            rv = retrace_fail(err, APR_EINVAL, "the link %s leads nowhere", link->path);
        }
        if (rv != APR_SUCCESS) {
            return rv;
        }
        push(list, "--symlink");
        push(list, link->content);
        push(list, link->path);
    }
    return APR_SUCCESS;
}

static void add_namespaces(apr_array_header_t *list, const char *help)
{
    static const char *const always[] = { "--unshare-all", "--die-with-parent",
                                          "--new-session", "--cap-drop",
                                          "ALL",           "--hostname",
                                          "sandbox",       NULL };
    static const char *const no_more[] = { "--unshare-user", "--disable-userns", NULL };

    push_all(list, always);
    if (lists_option(help, "--disable-userns")) {
        push_all(list, no_more);
    }
}

/* /dev is made read-only since bwrap makes it of a tmpfs, which would be a place to write without a
 * limit; the devices in it are mounts of their own. */
static void add_own_places(apr_array_header_t *list, const worker_sandbox_t *sandbox,
                           const char *help, apr_pool_t *p)
{
    static const char *const places[] = { "--tmpfs",      "/tmp", "--dev",   "/dev",
                                          "--remount-ro", "/dev", "--chdir", "/tmp",
                                          "--remount-ro", "/",    NULL };

    if (sandbox->limits.file_bytes > 0 && lists_option(help, "--size")) {
        push(list, "--size");
        push(list, apr_psprintf(p, "%" APR_INT64_T_FMT, sandbox->limits.file_bytes));
    }
    push_all(list, places);
}

apr_status_t worker_sandbox_argv(const char *const **pargv, const worker_sandbox_t *sandbox,
                                 const char *help, retrace_error_t *err, apr_pool_t *p)
{
    apr_array_header_t *list = apr_array_make(p, 64, sizeof(const char *));
    apr_status_t rv;

    if (!lists_option(help, "--json-status-fd") || !lists_option(help, "--seccomp")) {
        return retrace_fail(err, APR_ENOTIMPL, "%s is not bwrap 0.4.0 or later",
                            sandbox->bubblewrap);
    }
    push(list, sandbox->bubblewrap);
    add_namespaces(list, help);
    rv = add_binds(list, sandbox, err);
    if (rv == APR_SUCCESS) {
        rv = add_links(list, sandbox, err);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    add_own_places(list, sandbox, help, p);
    push(list, "--seccomp");
    push(list, apr_itoa(p, WORKER_SANDBOX_FILTER_FD));
    push(list, "--json-status-fd");
    push(list, apr_itoa(p, WORKER_SANDBOX_STATUS_FD));
    push(list, "--");
    push_all(list, sandbox->argv);
    push(list, NULL);
    *pargv = ARGV(list);
    return APR_SUCCESS;
}
