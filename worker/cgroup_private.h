/* SPDX-License-Identifier: Apache-2.0 */
/* The two kinds of control groups behind cgroup.h, as a table of file names: what differs is what
 * the files are called and how many directories there are. For cgroup*.c only. */
#ifndef RETRACE_WORKER_CGROUP_PRIVATE_H
#define RETRACE_WORKER_CGROUP_PRIVATE_H

#include <dirent.h>

#include "worker/cgroup.h"

enum { CGROUP_MEMORY, CGROUP_PIDS, CGROUP_FREEZER, CGROUP_DIRS };

/** Names relative to the directory of the controller; NULL: there is no such file. */
typedef struct worker_cgroup_kind_t {
    const char *controllers[CGROUP_DIRS]; /* directory below the root; NULL: none of its own */
    const char *memory_limit;
    const char *memory_no_swap;       /* set to memory_no_swap_value where it is there */
    const char *memory_no_swap_value; /* NULL: the limit of the memory */
    const char *memory_peak;
    const char *oom_counts;   /* a file of "name number" lines */
    const char *oom_together; /* set to 1: all processes die with the first one */
    const char *kill;         /* set to 1: all processes die */
} worker_cgroup_kind_t;

extern const worker_cgroup_kind_t worker_cgroup_v1;
extern const worker_cgroup_kind_t worker_cgroup_v2;

/** Where the group of a task is to be made. */
typedef struct worker_cgroup_place_t {
    const worker_cgroup_kind_t *kind;
    const char *parents[CGROUP_DIRS]; /* absolute; NULL where there is none */
} worker_cgroup_place_t;

/**
 * Find the group that was handed over and, in v2, enable the controllers for groups below it.
 * @param root, path  see worker_cgroup_create
 */
apr_status_t worker_cgroup_find(worker_cgroup_place_t *place, const char *root, const char *path,
                                retrace_error_t *err, apr_pool_t *p);

/** Write a value to a file that is there already. */
bool worker_cgroup_write(int dir, const char *name, const char *value);

/** Read the beginning of a small file as a string. */
bool worker_cgroup_read(char *text, size_t size, int dir, const char *name);

/** Is this word in a list of words separated by spaces and newlines? */
bool worker_cgroup_has_word(const char *words, const char *word);

#endif
