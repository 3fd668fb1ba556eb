/* SPDX-License-Identifier: Apache-2.0 */
/* See gdb_choice.h. */
#include "worker/gdb_choice.h"

#include <apr_strings.h>
#include <string.h>
#include <unistd.h>

#include "worker/capture.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

typedef struct candidate_t {
    const char *option;
    const char *path;    /* "" when the option is empty */
    const char *problem; /* why it is not taken */
} candidate_t;

bool worker_gdb_is_native(const char *host, const char *arch)
{
    static const struct {
        const char *host;
        const char *arch;
    } rows[] = {
        { "x86_64", "x86_64" },   { "x86_64", "i386" },     { "i686", "i386" },
        { "aarch64", "aarch64" }, { "aarch64", "armhfp" },  { "armv8l", "armhfp" },
        { "armv7l", "armhfp" },   { "ppc64le", "ppc64le" }, { "ppc64", "ppc64" },
        { "s390x", "s390x" },
    };
    size_t i;

    for (i = 0; i < COUNT(rows); i++) {
        if (strcmp(rows[i].host, host) == 0 && strcmp(rows[i].arch, arch) == 0) {
            return true;
        }
    }
    return false;
}

const char *worker_gdb_architecture(const char *arch)
{
    static const struct {
        const char *arch;
        const char *name;
    } rows[] = {
        { "x86_64", "i386:x86-64" },       { "i386", "i386" },
        { "aarch64", "aarch64" },          { "armhfp", "arm" },
        { "ppc64le", "powerpc:common64" }, { "ppc64", "powerpc:common64" },
        { "s390x", "s390:64-bit" },
    };
    size_t i;

    for (i = 0; i < COUNT(rows); i++) {
        if (strcmp(rows[i].arch, arch) == 0) {
            return rows[i].name;
        }
    }
    return NULL;
}

bool worker_gdb_lists(const char *list, const char *name)
{
    static const char command[] = "set architecture ";
    size_t length = strlen(name);

    while (list != NULL && *list != '\0') {
        const char *end = strchr(list, '\n');
        size_t line = end != NULL ? (size_t)(end - list) : strlen(list);

        if (line == sizeof(command) - 1 + length && strncmp(list, command, sizeof(command) - 1) == 0
            && strncmp(list + sizeof(command) - 1, name, length) == 0) {
            return true;
        }
        list = end != NULL ? end + 1 : NULL;
    }
    return false;
}

static bool knows(const char *gdb, const char *name, apr_pool_t *p)
{
    const char *const argv[] = { gdb,
                                 "-nx",
                                 "-nh",
                                 "-q",
                                 "-batch",
                                 "-ex",
                                 apr_pstrcat(p, "complete set architecture ", name, NULL),
                                 NULL };
    const char *list = "";

    return worker_capture(&list, argv, NULL, p) == APR_SUCCESS && worker_gdb_lists(list, name);
}

/* NULL: nothing. */
static const char *find_problem(const candidate_t *candidate, const char *name, apr_pool_t *p)
{
    if (candidate->path[0] == '\0') {
        return "is empty";
    }
    if (access(candidate->path, R_OK | X_OK) != 0) {
        return apr_psprintf(p, "(%s) is not there", candidate->path);
    }
    if (name != NULL && !knows(candidate->path, name, p)) {
        return apr_psprintf(p, "(%s) does not know it", candidate->path);
    }
    return NULL;
}

apr_status_t worker_gdb_choose(const char **pgdb, const char *host, const char *arch,
                               const retrace_config_t *config, retrace_error_t *err, apr_pool_t *p)
{
    candidate_t candidates[] = {
        { "GdbMultiarchPath", config->gdb_multiarch_path, NULL },
        { "GdbPath", config->gdb_path, NULL },
    };
    size_t i;

    if (worker_gdb_is_native(host, arch)) {
        *pgdb = config->gdb_path;
        return APR_SUCCESS;
    }
    for (i = 0; i < COUNT(candidates); i++) {
        candidates[i].problem = find_problem(&candidates[i], worker_gdb_architecture(arch), p);
        if (candidates[i].problem == NULL) {
            *pgdb = candidates[i].path;
            return APR_SUCCESS;
        }
    }
    return retrace_fail(
        err, APR_ENOTIMPL, "there is no gdb for a core of the architecture %s: %s %s, %s %s", arch,
        candidates[0].option, candidates[0].problem, candidates[1].option, candidates[1].problem);
}
