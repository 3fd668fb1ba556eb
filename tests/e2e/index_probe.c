/* SPDX-License-Identifier: Apache-2.0 */
/* index_probe CONFIG RELEASE: look build-ids of standard input up in an index, one a line; prints
 * microseconds of the opening, of the mean and of the slowest question, and how many packages were
 * found. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <apr_general.h>

#include "worker/resolve/repo.h"

static double now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

/* Executables and debug information, here and remote: all that a worker asks of one build-id. */
static int ask(worker_repo_t *repo, const char *build_id, apr_pool_t *p)
{
    apr_array_header_t *found = apr_array_make(p, 4, sizeof(worker_candidate_t));
    int kind;

    for (kind = WORKER_FILE_EXECUTABLE; kind <= WORKER_FILE_DEBUGINFO; kind++) {
        (void)worker_index_find(found, repo->index, (worker_file_kind_t)kind, build_id, NULL, p);
        (void)worker_index_find_remote(found, repo->index, (worker_file_kind_t)kind, build_id, NULL,
                                       p);
    }
    return found->nelts;
}

static void ask_all(worker_repo_t *repo, double opened_us, apr_pool_t *p)
{
    char line[200];
    double total = 0;
    double slowest = 0;
    int found = 0;
    int asked = 0;

    while (fgets(line, sizeof(line), stdin) != NULL) {
        double begin = now_us();
        double took;

        line[strcspn(line, "\n")] = '\0';
        found += ask(repo, line, p);
        took = now_us() - begin;
        total += took;
        slowest = took > slowest ? took : slowest;
        asked++;
    }
    printf("%.0f %.1f %.1f %d\n", opened_us, asked > 0 ? total / asked : 0, slowest, found);
}

int main(int argc, char *argv[])
{
    const retrace_config_t *config = NULL;
    worker_repo_t *repo = NULL;
    retrace_error_t err;
    apr_pool_t *pool = NULL;
    double begin = now_us();

    if (argc != 3 || apr_initialize() != APR_SUCCESS
        || apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return 1;
    }
    if (retrace_config_read(&config, argv[1], &err, pool) != APR_SUCCESS
        || worker_repo_open(&repo, config, argv[2], false, &err, pool) != APR_SUCCESS) {
        fprintf(stderr, "index_probe: %s\n", err.text);
        return 1;
    }
    ask_all(repo, now_us() - begin, pool);
    apr_terminate();
    return 0;
}
