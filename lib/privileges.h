/* SPDX-License-Identifier: Apache-2.0 */
/* Giving up what a process has: identity, inherited descriptors, signals, environment.
 * libc only: the setuid helper links it. */
#ifndef RETRACE_PRIVILEGES_H
#define RETRACE_PRIVILEGES_H

#include <stdbool.h>
#include <sys/types.h>

/**
 * Undo what a hostile parent can hand down: reopens closed standard descriptors on /dev/null,
 * closes everything above them, stops timers, unblocks and resets all signals, restores soft
 * resource limits to the hard ones (core files off), umask 027, working directory /.
 * @return false when one of these steps failed
 */
bool retrace_privileges_reset_process(void);

/**
 * Replace the environment by PATH, LANG and TZ with fixed values.
 * @return false when there is no memory
 */
bool retrace_privileges_reset_environment(void);

/**
 * Become uid:gid for good, with no supplementary groups and no capabilities, and prove it.
 * Needs an effective uid of `uid` (setuid) and CAP_SETGID, or root.
 * @return false when a step or the proof failed; the process must exit then
 */
bool retrace_privileges_drop(uid_t uid, gid_t gid);

/**
 * The proof alone: all three user and group ids are these, there are no supplementary groups and no
 * capabilities, and the way back to root is closed.
 */
bool retrace_privileges_are_dropped(uid_t uid, gid_t gid);

#endif
