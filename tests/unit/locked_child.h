/* SPDX-License-Identifier: Apache-2.0 */
/* A child process for each test of the filters: it locks itself down, runs the case, and what
 * became of it is compared. Skips the test where a sanitizer needs calls of its own. */
#ifndef RETRACE_TESTS_LOCKED_CHILD_H
#define RETRACE_TESTS_LOCKED_CHILD_H

#include <stdbool.h>

#define LOCKED_CPU_S        20
#define LOCKED_MEMORY_BYTES (256UL * 1024 * 1024)

typedef void (*locked_case_fn)(void *baton);

/** Skips the test under a sanitizer: call it before anything is allocated. */
void locked_skip_sanitized(void);

/** Fails the test unless the case kills the reader (or the keeper) with SIGSYS. */
void locked_expect_killed(bool reader, locked_case_fn fn);

/** Fails the test unless the case returns or exits with 0. */
void locked_expect_done(bool reader, locked_case_fn fn, void *baton);

#endif
