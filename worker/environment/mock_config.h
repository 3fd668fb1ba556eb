/* SPDX-License-Identifier: Apache-2.0 */
/* The file that tells mock(1) what to put into a chroot. mock executes it as Python and then expands
 * what looks like a template in its values: what goes into it is of a type that is checked here, and
 * goes through one function. Pure but for memory. */
#ifndef RETRACE_WORKER_MOCK_CONFIG_H
#define RETRACE_WORKER_MOCK_CONFIG_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"

#define WORKER_MOCK_TEXT_MAX 262144 /* bytes of a value */

typedef struct worker_mock_plan_t {
    uint32_t id;            /* of the task: the chroot is named by it */
    const char *repository; /* name of the release's directory */
    const char *directory;  /* its absolute path */
    const char *keys;       /* file of public keys; NULL: signatures are not asked for */
    const apr_array_header_t
        *packages; /* of const char *: exact names, as worker/resolve/packages.h
                                           makes them */
} worker_mock_plan_t;

/**
 * A value as a literal of Python: '...', with everything but letters, digits and harmless signs
 * written as \xNN.
 * @param pliteral  in p; written only on success
 * @return false for what no value of ours has: bytes beyond ASCII, control characters but newline,
 *         braces (mock expands them), more than WORKER_MOCK_TEXT_MAX bytes
 */
bool worker_mock_literal(const char **pliteral, const char *text, apr_pool_t *p);

/** An absolute path as a file:// URL, in p, with all that means something to somebody as %NN. */
const char *worker_mock_url(const char *path, apr_pool_t *p);

/** Is this the exact name of a package with its architecture: name-[epoch:]version-release.arch? */
bool worker_mock_is_package(const char *text);

/** The name of a task's chroot, in p. */
const char *worker_mock_root(uint32_t id, apr_pool_t *p);

/**
 * The file.
 * @param ptext  in p; written only on success
 * @return APR_EINVAL  a value is not of its type
 */
apr_status_t worker_mock_config(const char **ptext, const worker_mock_plan_t *plan,
                                retrace_error_t *err, apr_pool_t *p);

#endif
