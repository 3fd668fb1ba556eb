/* SPDX-License-Identifier: Apache-2.0 */
/* What all parts of one run have in common. */
#ifndef RETRACE_REPOSYNC_H
#define RETRACE_REPOSYNC_H

#include <apr_pools.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#include "helpers/task/progress.h"
#include "lib/config.h"
#include "lib/error.h"

/** The status of what a signal has ended. */
#define REPOSYNC_INTERRUPTED EINTR

typedef struct reposync_t {
    const retrace_config_t *config;
    int64_t timeout_s; /* for a connection, and for a server that sends nothing */
    bool is_quiet;     /* only what went wrong is told */
    bool is_dry_run;   /* nothing below RepoDir is touched */
    int interrupt;     /* of task_interrupt_open() */
    task_progress_t progress;
} reposync_t;

/** One repository's figures. */
typedef struct reposync_tally_t {
    int fresh;         /* packages that are new here */
    int kept;          /* that were here */
    int skipped;       /* that no retrace can use (StripPackages) */
    int refused;       /* bad name, bad checksum, bad signature */
    int failed;        /* could not be got */
    bool is_unchecked; /* repomd.xml, for want of the metalink that is configured */
    int64_t bytes;
    int64_t took_ms;
} reposync_tally_t;

/** Has the user, or systemd, ended this run? */
bool reposync_is_over(const reposync_t *sync);

/** One line on standard error, the progress line out of its way. */
void reposync_tell(reposync_t *sync, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
