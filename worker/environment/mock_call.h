/* SPDX-License-Identifier: Apache-2.0 */
/* One call of mock(1). It runs as root by a setuid program, so that no signal of ours need reach it:
 * what is called here ends by itself, and what might not has its limit inside the chroot. */
#ifndef RETRACE_WORKER_MOCK_CALL_H
#define RETRACE_WORKER_MOCK_CALL_H

#include <apr_pools.h>

#include "lib/error.h"
#include "worker/cgroup.h"
#include "worker/sandbox.h"

#define WORKER_MOCK_MESSAGES ((size_t)16 * 1024) /* bytes of what it says that are kept: the last */

#define WORKER_MOCK_CODE_PACKAGES 30
#define WORKER_MOCK_CODE_LOCKED   60

typedef struct worker_mock_t {
    const char *program; /* path of mock */
    const char *config;  /* absolute path of the file that worker_mock_config has written */
    const char *results; /* absolute path of a directory for mock's logs */
    const worker_cgroup_t *cgroup; /* NULL: none */
} worker_mock_t;

typedef struct worker_mock_end_t {
    int code;             /* exit code; 128 + n when mock itself was killed by signal n */
    bool is_late;         /* it has not ended in time: mock was killed, or left alone */
    const char *messages; /* the end of all it printed: clean text */
} worker_mock_end_t;

/** May this user run mock? @return as access(2) has it; err says what to do */
apr_status_t worker_mock_check(const char *program, retrace_error_t *err);

/**
 * Call mock.
 * @param end    its messages in p
 * @param verb   options up to the verb, NULL at the end: { "--chroot", NULL }
 * @param words  what follows the verb, after a "--"; NULL: nothing does
 * @return APR_SUCCESS  it has run, see end
 */
apr_status_t worker_mock_call(worker_mock_end_t *end, const worker_mock_t *mock,
                              const char *const *verb, const char *const *words,
                              unsigned int wall_s, retrace_error_t *err, apr_pool_t *p);

/** What an exit code of mock itself means: "the package manager failed", … Pure. */
const char *worker_mock_code_text(int code);

/**
 * How a command in the chroot has ended, by the exit code of the mock that ran it: it passes on the
 * command's, and tells a signal in its own way. Pure.
 * @param took_s   how long it took
 * @param limit_s  the time that it was given
 * @param is_full  its output has the greatest length that it may have
 */
void worker_mock_judge(worker_sandbox_result_t *result, int code, unsigned int took_s,
                       unsigned int limit_s, bool is_full);

#endif
