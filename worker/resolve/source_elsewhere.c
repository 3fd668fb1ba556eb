/* SPDX-License-Identifier: Apache-2.0 */
/* The side of elsewhere.h that asks. The program is started with the first question and ends with
 * the search; if it fails, files are missing and the task goes on. */
#include <apr_strings.h>
#include <apr_thread_proc.h>
#include <ctype.h>
#include <string.h>

#include "lib/clock.h"
#include "worker/path.h"
#include "worker/resolve/elsewhere.h"
#include "worker/resolve/source.h"

#define NAME     "elsewhere"
#define MS       INT64_C(1000) /* in a second */
#define DWZ_NAME 255           /* bytes of a dwz file's name */

typedef struct worker_elsewhere_t {
    const retrace_config_t *config;
    apr_proc_t process;
    int64_t deadline_ms;
    const char *refusal; /* why it is not asked any more; NULL: it is */
    char line[WORKER_ELSEWHERE_LINE];
} worker_elsewhere_t;

/* --- The session --------------------------------------------------------------------------- */

static void give_up(worker_elsewhere_t *elsewhere, const worker_search_t *search,
                    const char *reason)
{
    elsewhere->refusal = reason;
    worker_search_tell(search, 'W', reason);
}

static worker_elsewhere_t *open_session(const retrace_config_t *config,
                                        const worker_search_t *search)
{
    worker_elsewhere_t *elsewhere = apr_pcalloc(search->scratch, sizeof(*elsewhere));

    elsewhere->config = config;
    elsewhere->deadline_ms =
        retrace_clock_ms() + config->max_task_runtime_s * MS / WORKER_ELSEWHERE_TIME_SHARE;
    if (worker_elsewhere_start(&elsewhere->process, config, search->scratch) != APR_SUCCESS) {
        give_up(elsewhere, search,
                apr_psprintf(search->scratch,
                             "%s/" WORKER_ELSEWHERE_PROGRAM
                             " cannot be run: no repository and no server is asked",
                             config->program_dir));
    }
    else if (!worker_elsewhere_introduce(&elsewhere->process, search->core, search->errand,
                                         search->scratch)) {
        give_up(elsewhere, search, WORKER_ELSEWHERE_PROGRAM " does not listen: nothing is asked");
    }
    return elsewhere;
}

/* --- One question -------------------------------------------------------------------------- */

/* A name that could be taken for something else in the line is none. */
static const char *dwz_name(const worker_want_t *want)
{
    const char *name = want->altlink != NULL ? worker_path_name(want->altlink) : "";
    const char *at;

    for (at = name; *at != '\0'; at++) {
        if (!isgraph((unsigned char)*at)) {
            return "";
        }
    }
    return strlen(name) <= DWZ_NAME ? name : "";
}

/* @return false: this line was not the last one */
static bool take_answer(worker_found_t **pfound, apr_status_t *prv,
                        const char *const fields[WORKER_ELSEWHERE_FIELDS],
                        const worker_elsewhere_t *elsewhere, const worker_want_t *want,
                        retrace_error_t *err, apr_pool_t *p)
{
    worker_search_t *search = want->search;

    if (strcmp(fields[0], WORKER_ELSEWHERE_TELL) == 0) {
        worker_search_tell(search, fields[1][0] == 'I' ? 'I' : 'W', fields[2]);
        return false;
    }
    if (strcmp(fields[0], WORKER_ELSEWHERE_KEPT) == 0) {
        apr_hash_set(search->fetched, apr_pstrdup(p, fields[2]), APR_HASH_KEY_STRING,
                     apr_pstrdup(p, fields[1]));
        return false;
    }
    if (strcmp(fields[0], WORKER_ELSEWHERE_FOUND) == 0) {
        *prv = worker_source_cache.find(pfound, elsewhere->config, want, err, p);
        if (*prv == APR_SUCCESS) {
            (*pfound)->source = apr_pstrdup(p, fields[1]);
            (*pfound)->origin = apr_pstrdup(p, fields[2]);
        }
        return true;
    }
    search->servers = apr_pstrdup(p, fields[1]);
    *prv = fields[2][0] != '\0' ? retrace_fail(err, APR_NOTFOUND, "%s", fields[2]) : APR_NOTFOUND;
    return true;
}

static bool is_answer(const char *word)
{
    static const char *const words[] = { WORKER_ELSEWHERE_TELL, WORKER_ELSEWHERE_KEPT,
                                         WORKER_ELSEWHERE_FOUND, WORKER_ELSEWHERE_MISSING };
    size_t i;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(word, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

static apr_status_t read_line(worker_elsewhere_t *elsewhere)
{
    int64_t left_ms = elsewhere->deadline_ms - retrace_clock_ms();
    apr_status_t rv = APR_TIMEUP;

    if (left_ms > 0) {
        rv = apr_file_pipe_timeout_set(elsewhere->process.out, apr_time_from_msec(left_ms));
    }
    return rv == APR_SUCCESS
        ? apr_file_gets(elsewhere->line, WORKER_ELSEWHERE_LINE, elsewhere->process.out)
        : rv;
}

static const char *read_fields(const char *fields[WORKER_ELSEWHERE_FIELDS],
                               worker_elsewhere_t *elsewhere)
{
    apr_status_t rv = read_line(elsewhere);

    if (APR_STATUS_IS_TIMEUP(rv)) {
        return WORKER_ELSEWHERE_PROGRAM " did not answer in time: nothing more is asked";
    }
    if (rv != APR_SUCCESS) {
        return WORKER_ELSEWHERE_PROGRAM " has ended before its time: nothing more is asked";
    }
    if (strchr(elsewhere->line, '\n') == NULL
        || worker_elsewhere_split(fields, elsewhere->line) == 0 || !is_answer(fields[0])) {
        return WORKER_ELSEWHERE_PROGRAM " does not make sense: nothing more is asked";
    }
    return NULL;
}

static apr_status_t converse(worker_found_t **pfound, worker_elsewhere_t *elsewhere,
                             const worker_want_t *want, retrace_error_t *err, apr_pool_t *p)
{
    const char *fields[WORKER_ELSEWHERE_FIELDS];
    const char *wrong;
    apr_status_t rv = APR_SUCCESS;

    /* What went wrong shows in the answer. */
    (void)apr_file_puts(apr_pstrcat(want->search->scratch, WORKER_ELSEWHERE_FIND "\t",
                                    worker_file_kind_name(want->kind), "\t", want->build_id, "\t",
                                    dwz_name(want), "\n", NULL),
                        elsewhere->process.in);
    do {
        wrong = read_fields(fields, elsewhere);
        if (wrong != NULL) {
            give_up(elsewhere, want->search, wrong);
            return retrace_fail(err, APR_EGENERAL, "%s", wrong);
        }
    }
    while (!take_answer(pfound, &rv, fields, elsewhere, want, err, p));
    return rv;
}

static apr_status_t find(worker_found_t **pfound, const retrace_config_t *config,
                         const worker_want_t *want, retrace_error_t *err, apr_pool_t *p)
{
    worker_search_t *search = want->search;

    if (search == NULL) {
        return retrace_fail(err, APR_NOTFOUND, "no core wants it");
    }
    search->servers = "";
    if (search->elsewhere == NULL) {
        search->elsewhere = open_session(config, search);
    }
    if (search->elsewhere->refusal != NULL) {
        return retrace_fail(err, APR_NOTFOUND, "%s", search->elsewhere->refusal);
    }
    return converse(pfound, search->elsewhere, want, err, p);
}

const worker_source_t worker_source_elsewhere = { NAME, find };
