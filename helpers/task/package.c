/* SPDX-License-Identifier: Apache-2.0 */
/* See package.h. A query that fails for whatever reason is no answer: the user, or the server,
 * knows better. */
#include "helpers/task/package.h"

#include <apr_strings.h>
#include <string.h>

#include "helpers/task/process.h"
#include "helpers/task/text.h"

#define QUERY_MS    (20 * 1000)
#define PACKAGE_MAX 256 /* characters of a name */

/* The first line of what a program prints, without what follows `end`; NULL when it is no word. */
static const char *ask(const char *const *argv, const char *end, apr_pool_t *p)
{
    const task_process_t process = {
        .argv = argv, .out = -1, .is_silent = true, .max_ms = QUERY_MS
    };
    const char *kept = NULL;
    const char *word;
    retrace_error_t err;

    if (task_process_run(&kept, &process, &err, p) != APR_SUCCESS) {
        return NULL;
    }
    word = apr_pstrmemdup(p, kept, strcspn(kept, end));
    return task_text_is_word(word, PACKAGE_MAX) ? word : NULL;
}

static const char *ask_rpm(const char *path, apr_pool_t *p)
{
    const char *const argv[] = { "rpm",  "-q",
                                 "--qf", "%{NAME}-%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\\n",
                                 "-f",   path,
                                 NULL };

    return ask(argv, "\n", p);
}

/* "bash:amd64: /bin/bash" */
static const char *ask_dpkg(const char *path, apr_pool_t *p)
{
    const char *const owner_argv[] = { "dpkg-query", "-S", path, NULL };
    const char *owner = ask(owner_argv, ":,\n", p);
    const char *const version_argv[] = { "dpkg-query", "-W", "-f", "${Package}-${Version}\\n",
                                         owner,        NULL };

    return owner != NULL ? ask(version_argv, "\n", p) : NULL;
}

const char *task_package_of(const char *path, apr_pool_t *p)
{
    const char *package = ask_rpm(path, p);

    return package != NULL ? package : ask_dpkg(path, p);
}
