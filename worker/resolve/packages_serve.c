/* SPDX-License-Identifier: Apache-2.0 */
/* See packages.h: the side that chooses. */
#include <apr_strings.h>
#include <errno.h>
#include <string.h>

#include "worker/resolve/elsewhere.h"
#include "worker/resolve/packages.h"
#include "worker/text.h"

#define MAX_DIGITS 128  /* of a build-id */
#define MAX_TEXT   4096 /* bytes of a line for the log */

typedef struct server_t {
    FILE *answers;
    worker_core_t core;
    worker_errand_t errand;
    apr_pool_t *pool;
} server_t;

/* Neither a tab nor a newline may end a field. */
static const char *as_field(const char *text, apr_pool_t *p)
{
    char *field = apr_pstrdup(p, worker_text_clean(text, strlen(text), p));
    char *at;

    for (at = field; *at != '\0'; at++) {
        if (*at == '\t' || *at == '\n') {
            *at = ' ';
        }
    }
    if (strlen(field) > MAX_TEXT) {
        field[MAX_TEXT] = '\0';
    }
    return field;
}

static void tell(void *baton, char level, const char *text)
{
    const server_t *server = baton;

    fprintf(server->answers, "tell\t%c\t%s\n", level, as_field(text, server->pool));
}

static bool add_module(server_t *server, const char *build_id)
{
    size_t length = strlen(build_id);

    if (length <= 2 || length > MAX_DIGITS || strspn(build_id, "0123456789abcdef") != length
        || server->core.modules->nelts >= WORKER_CORE_MAX_MODULES) {
        return false;
    }
    APR_ARRAY_PUSH(server->core.modules, worker_module_t) = (worker_module_t){
        .path = "", .build_id = apr_pstrdup(server->pool, build_id), .is_elf = true
    };
    return true;
}

static bool take_line(server_t *server, char *line)
{
    const char *fields[WORKER_ELSEWHERE_FIELDS];

    if (strchr(line, '\n') == NULL || worker_elsewhere_split(fields, line) == 0) {
        return false;
    }
    if (strcmp(fields[0], WORKER_ELSEWHERE_MODULE) == 0) {
        return add_module(server, fields[1]);
    }
    if (strcmp(fields[0], WORKER_ELSEWHERE_RELEASE) == 0) {
        server->errand.release = apr_pstrdup(server->pool, fields[1]);
        return true;
    }
    if (strcmp(fields[0], WORKER_ELSEWHERE_ARCH) == 0) {
        server->core.arch = apr_pstrdup(server->pool, fields[1]);
        return true;
    }
    return false;
}

static void answer(const server_t *server, const worker_selection_t *selection)
{
    int i;

    fprintf(server->answers, "repository\t%s\t%s\n", selection->repository,
            selection->keys != NULL ? selection->keys : "");
    for (i = 0; i < selection->packages->nelts; i++) {
        fprintf(server->answers, "package\t%s\n",
                APR_ARRAY_IDX(selection->packages, i, worker_needed_t).nevra);
    }
    for (i = 0; i < selection->wishes->nelts; i++) {
        const worker_wish_t *wish = &APR_ARRAY_IDX(selection->wishes, i, worker_wish_t);

        if (wish->package != NULL) {
            fprintf(server->answers, "file\t%s\t%s\t%s\n", worker_file_kind_name(wish->kind),
                    wish->module->build_id, wish->path);
        }
    }
    fprintf(server->answers, "end\n");
}

apr_status_t worker_packages_serve(FILE *questions, FILE *answers, const retrace_config_t *config,
                                   retrace_error_t *err, apr_pool_t *p)
{
    server_t server = { .answers = answers, .pool = p };
    worker_selection_t *selection = NULL;
    char line[WORKER_ELSEWHERE_LINE];
    retrace_error_t why = { 0 };

    server.core.arch = "unknown";
    server.core.modules = apr_array_make(p, 64, sizeof(worker_module_t));
    server.errand.tell = tell;
    server.errand.baton = &server;
    while (fgets(line, sizeof(line), questions) != NULL) {
        if (!take_line(&server, line)) {
            return retrace_fail(err, APR_EINVAL, "that is no question");
        }
    }
    if (worker_packages_choose(&selection, &server.core, config, &server.errand, &why, p)
        == APR_SUCCESS) {
        answer(&server, selection);
    }
    else {
        fprintf(answers, "missing\t%s\n", as_field(why.text, p));
    }
    return fflush(answers) == 0 ? APR_SUCCESS : retrace_fail(err, errno, "answer");
}
