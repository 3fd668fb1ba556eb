/* SPDX-License-Identifier: Apache-2.0 */
/* See elsewhere.h: the side that looks. */
#include "worker/resolve/elsewhere.h"

#include <apr_strings.h>
#include <errno.h>
#include <string.h>

#include "worker/resolve/cache_hold.h"
#include "worker/resolve/packages.h"
#include "worker/resolve/preference.h"
#include "worker/resolve/source.h"
#include "worker/text.h"

#define MAX_DIGITS 128  /* of a build-id */
#define MAX_FIRST  1024 /* bytes of an answer's fields: with its word they are a line */
#define MAX_SECOND 6144

typedef struct server_t {
    const retrace_config_t *config;
    FILE *answers;
    worker_core_t core;
    worker_errand_t errand;
    apr_array_header_t *packages; /* of const char *, of the errand */
    worker_search_t search;
    apr_pool_t *pool;
} server_t;

/* --- Answers ------------------------------------------------------------------------------- */

/* Names of packages and words of servers go into logs; neither a tab nor a newline may end a field. */
static const char *as_field(const char *text, size_t max, apr_pool_t *p)
{
    const char *clean = worker_text_clean(text, strlen(text), p);
    size_t length = strlen(clean);
    char *field;
    char *at;

    if (length > max) {
        length = max;
        while (length > 0 && ((unsigned char)clean[length] & 0xc0) == 0x80) {
            length--; /* no half of a character */
        }
    }
    field = apr_pstrmemdup(p, clean, length);
    for (at = field; *at != '\0'; at++) {
        if (*at == '\t' || *at == '\n') {
            *at = ' ';
        }
    }
    return field;
}

static void answer(const server_t *server, const char *word, const char *first, const char *second)
{
    fprintf(server->answers, "%s\t%s\t%s\n", word, as_field(first, MAX_FIRST, server->pool),
            as_field(second, MAX_SECOND, server->pool));
}

static void tell(void *baton, char level, const char *text)
{
    const char word[] = { level, '\0' };

    answer(baton, WORKER_ELSEWHERE_TELL, word, text);
}

/* Of what one look brought here, the worker must know that it was not there before. */
static void answer_kept(server_t *server)
{
    apr_hash_index_t *at;

    for (at = apr_hash_first(NULL, server->search.fetched); at != NULL; at = apr_hash_next(at)) {
        answer(server, WORKER_ELSEWHERE_KEPT, apr_hash_this_val(at), apr_hash_this_key(at));
    }
    apr_hash_clear(server->search.fetched);
}

/* --- Questions ----------------------------------------------------------------------------- */

static apr_status_t look(worker_found_t **pfound, const char **pasked, server_t *server,
                         const worker_want_t *want, retrace_error_t *err)
{
    static const worker_source_t *const sources[] = { &worker_source_repo,
                                                      &worker_source_debuginfod };
    const char *asked = "";
    apr_status_t rv = APR_NOTFOUND;
    size_t i;

    for (i = 0; i < sizeof(sources) / sizeof(sources[0]) && rv != APR_SUCCESS; i++) {
        server->search.servers = NULL;
        rv = sources[i]->find(pfound, server->config, want, err, server->pool);
        asked = worker_text_list(
            asked, server->search.servers != NULL ? server->search.servers : sources[i]->name,
            server->pool);
    }
    *pasked = asked;
    return rv;
}

/* The paths and build-ids of a choice have neither tabs nor newlines. */
static void answer_choice(server_t *server, const worker_selection_t *selection)
{
    int i;

    answer(server, WORKER_ELSEWHERE_REPOSITORY, selection->repository,
           selection->keys != NULL ? selection->keys : "");
    for (i = 0; i < selection->packages->nelts; i++) {
        answer(server, WORKER_ELSEWHERE_PACKAGE,
               APR_ARRAY_IDX(selection->packages, i, worker_needed_t).nevra, "");
    }
    for (i = 0; i < selection->wishes->nelts; i++) {
        const worker_wish_t *wish = &APR_ARRAY_IDX(selection->wishes, i, worker_wish_t);

        if (wish->package != NULL) {
            fprintf(server->answers, WORKER_ELSEWHERE_FILE "\t%s\t%s\t%s\n",
                    worker_file_kind_name(wish->kind), wish->module->build_id, wish->path);
        }
    }
    answer(server, WORKER_ELSEWHERE_END, "", "");
}

static apr_status_t choose(server_t *server, retrace_error_t *err)
{
    worker_selection_t *selection = NULL;
    retrace_error_t why = { 0 };

    if (worker_packages_choose(&selection, &server->core, server->config, &server->errand, &why,
                               server->pool)
        == APR_SUCCESS) {
        answer_choice(server, selection);
    }
    else {
        answer(server, WORKER_ELSEWHERE_MISSING, "", why.text);
    }
    return fflush(server->answers) == 0 ? APR_SUCCESS : retrace_fail(err, errno, "answer");
}

static bool parse_kind(worker_file_kind_t *pkind, const char *word)
{
    int kind;

    for (kind = WORKER_FILE_EXECUTABLE; kind <= WORKER_FILE_DWZ; kind++) {
        if (strcmp(word, worker_file_kind_name((worker_file_kind_t)kind)) == 0) {
            *pkind = (worker_file_kind_t)kind;
            return true;
        }
    }
    return false;
}

static bool is_build_id(const char *text)
{
    size_t length = strlen(text);

    return length > 2 && length <= MAX_DIGITS && strspn(text, "0123456789abcdef") == length;
}

static apr_status_t find(server_t *server, const char *const fields[WORKER_ELSEWHERE_FIELDS],
                         retrace_error_t *err)
{
    worker_want_t want = { .build_id = fields[2],
                           .altlink = fields[3][0] != '\0' ? fields[3] : NULL,
                           .search = &server->search };
    worker_found_t *found = NULL;
    const char *asked = NULL;
    retrace_error_t why = { 0 };

    if (!parse_kind(&want.kind, fields[1]) || !is_build_id(fields[2])) {
        return retrace_fail(err, APR_EINVAL, "that is no file to be found");
    }
    if (look(&found, &asked, server, &want, &why) == APR_SUCCESS) {
        answer_kept(server);
        answer(server, WORKER_ELSEWHERE_FOUND, found->source, found->origin);
    }
    else {
        answer_kept(server);
        answer(server, WORKER_ELSEWHERE_MISSING, asked, why.text);
    }
    return fflush(server->answers) == 0 ? APR_SUCCESS : retrace_fail(err, errno, "answer");
}

static apr_status_t add_module(server_t *server, const char *build_id, retrace_error_t *err)
{
    worker_module_t *module;

    if (!is_build_id(build_id) || server->core.modules->nelts >= WORKER_CORE_MAX_MODULES) {
        return retrace_fail(err, APR_EINVAL, "that is no build-id, or one too many");
    }
    module = apr_array_push(server->core.modules);
    *module = (worker_module_t){ .path = "",
                                 .build_id = apr_pstrdup(server->pool, build_id),
                                 .is_elf = true };
    return APR_SUCCESS;
}

static apr_status_t add_package(server_t *server, const char *name, retrace_error_t *err)
{
    if (server->packages->nelts >= WORKER_PREFERENCES_MAX) {
        return retrace_fail(err, APR_EINVAL, "that is one package too many");
    }
    APR_ARRAY_PUSH(server->packages, const char *) = apr_pstrdup(server->pool, name);
    return APR_SUCCESS;
}

static apr_status_t take_line(server_t *server, char *line, retrace_error_t *err)
{
    const char *fields[WORKER_ELSEWHERE_FIELDS];

    if (worker_elsewhere_split(fields, line) == 0) {
        return retrace_fail(err, APR_EINVAL, "a question has too many parts");
    }
    if (strcmp(fields[0], WORKER_ELSEWHERE_FIND) == 0) {
        return find(server, fields, err);
    }
    if (strcmp(fields[0], WORKER_ELSEWHERE_CHOOSE) == 0) {
        return choose(server, err);
    }
    if (strcmp(fields[0], WORKER_ELSEWHERE_MODULE) == 0) {
        return add_module(server, fields[1], err);
    }
    if (strcmp(fields[0], WORKER_ELSEWHERE_PACKAGE) == 0) {
        return add_package(server, fields[1], err);
    }
    if (strcmp(fields[0], WORKER_ELSEWHERE_RELEASE) == 0) {
        server->errand.release = apr_pstrdup(server->pool, fields[1]);
        return APR_SUCCESS;
    }
    if (strcmp(fields[0], WORKER_ELSEWHERE_ARCH) == 0) {
        server->core.arch = apr_pstrdup(server->pool, fields[1]);
        return APR_SUCCESS;
    }
    return retrace_fail(err, APR_EINVAL, "that is no question");
}

apr_status_t worker_elsewhere_serve(FILE *questions, FILE *answers, const retrace_config_t *config,
                                    retrace_error_t *err, apr_pool_t *p)
{
    server_t server = { .config = config, .answers = answers, .pool = p };
    char line[WORKER_ELSEWHERE_LINE];
    apr_status_t rv = APR_SUCCESS;

    server.core.arch = "unknown";
    server.core.modules = apr_array_make(p, 64, sizeof(worker_module_t));
    server.packages = apr_array_make(p, 8, sizeof(const char *));
    server.errand.packages = server.packages;
    server.errand.tell = tell;
    server.errand.baton = &server;
    /* Until the worker holds what was put into the cache for it. */
    (void)worker_cache_hold_open(&server.errand.hold, config->cache_dir, NULL, p);
    server.search.core = &server.core;
    server.search.errand = &server.errand;
    server.search.fetched = apr_hash_make(p);
    while (rv == APR_SUCCESS && fgets(line, sizeof(line), questions) != NULL) {
        rv = strchr(line, '\n') != NULL ? take_line(&server, line, err)
                                        : retrace_fail(err, APR_EINVAL, "a question is too long");
    }
    return rv;
}
