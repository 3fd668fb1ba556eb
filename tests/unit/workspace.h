/* SPDX-License-Identifier: Apache-2.0 */
/* A temporary directory with a pool for each test, and what tests do there: write, read, look, and
 * run a piece of code in a process of its own. */
#ifndef RETRACE_TESTS_WORKSPACE_H
#define RETRACE_TESTS_WORKSPACE_H

#include <apr_pools.h>
#include <stdbool.h>
#include <sys/types.h>

#include "lib/error.h"
#include "lib/spool.h"

#define WORKSPACE_KILLED 128 /* plus the signal: a child that did not exit by itself */

typedef struct workspace_t {
    char path[64]; /* absolute, no symbolic link in it */
    int dir;       /* the same, open */
    retrace_error_t err;
    apr_pool_t *pool;
} workspace_t;

/** For cmocka_unit_test_setup_teardown: *state is a workspace_t. */
int workspace_setup(void **state);
int workspace_teardown(void **state);

/** An absolute path, in the workspace's pool. */
const char *workspace_path(const workspace_t *ws, const char *name);

/** Each fails the test when it cannot be done. Directories between are made. */
void workspace_write(const workspace_t *ws, const char *name, const char *text);
void workspace_make_dir(const workspace_t *ws, const char *name);
void workspace_link(const workspace_t *ws, const char *content, const char *name);
void workspace_fifo(const workspace_t *ws, const char *name);

/** A file's content, NULL when there is none. */
const char *workspace_read(const workspace_t *ws, const char *name);
bool workspace_exists(const workspace_t *ws, const char *name);
/** Permission bits; the test fails when there is no such file. */
mode_t workspace_mode(const workspace_t *ws, const char *name);
/** How many entries a directory has. */
int workspace_count(const workspace_t *ws, const char *name);

/** A spool `spool/` with all that one needs, open. */
const retrace_spool_t *workspace_spool(workspace_t *ws);
/** A new directory of a task in it, open; the caller closes it. */
int workspace_task(workspace_t *ws, const char *id);

/** Start a child that exits with what fn returns; it must not use cmocka's asserts. */
pid_t workspace_start(int (*fn)(void *baton), void *baton);
/** Wait for it. @return its exit code, or WORKSPACE_KILLED + signal */
int workspace_wait(pid_t child);
int workspace_child(int (*fn)(void *baton), void *baton);

/** Run a shell command in the workspace; the test fails unless it succeeds. */
void workspace_shell(const workspace_t *ws, const char *command);

/* Build-ids of the samples. */
#define SAMPLE_ID "1111111111111111111111111111111111111111"
#define OTHER_ID  "2222222222222222222222222222222222222222"

/**
 * Compile libraries into `built/`: lib.so (stripped, debuglink lib.debug) with lib.debug, full.so
 * (SAMPLE_ID too, with debug information), other.so and other.debug (OTHER_ID).
 */
void workspace_build_samples(const workspace_t *ws);

/** Open descriptors of this process. */
int workspace_descriptors(void);

#endif
