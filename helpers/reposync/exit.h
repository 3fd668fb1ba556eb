/* SPDX-License-Identifier: Apache-2.0 */
/* How retrace-server-reposync ends: one code per kind of end, each with its line in
 * retrace-server-reposync(8). */
#ifndef RETRACE_REPOSYNC_EXIT_H
#define RETRACE_REPOSYNC_EXIT_H

typedef enum reposync_exit_t {
    REPOSYNC_EXIT_OK = 0,
    REPOSYNC_EXIT_FAILED = 1,       /* some repository or release failed; the others are done */
    REPOSYNC_EXIT_BUSY = 2,         /* another instance is at a release; the others are done */
    REPOSYNC_EXIT_USAGE = 100,      /* wrong command line */
    REPOSYNC_EXIT_SYSTEM = 111,     /* the settings or RepoDir cannot be used */
    REPOSYNC_EXIT_INTERRUPTED = 130 /* ended by a signal; what was downloaded stays */
} reposync_exit_t;

#endif
