/* SPDX-License-Identifier: Apache-2.0 */
/* What `bwrap --help` prints, as far as we ask: the oldest version that we know, and later options.
 */
#ifndef RETRACE_TESTS_BWRAP_HELP_H
#define RETRACE_TESTS_BWRAP_HELP_H

/** Of bubblewrap 0.4.0. */
#define BWRAP_HELP_0_4_0                                                                           \
    "usage: bwrap [OPTIONS...] [--] COMMAND [ARGS...]\n\n"                                         \
    "    --help                       Print this help\n"                                           \
    "    --unshare-all                Unshare every namespace we support by default\n"             \
    "    --unshare-user               Create new user namespace\n"                                 \
    "    --hostname NAME              Custom hostname in the sandbox (requires --unshare-uts)\n"   \
    "    --chdir DIR                  Change directory to DIR\n"                                   \
    "    --ro-bind SRC DEST           Bind mount the host path SRC readonly on DEST\n"             \
    "    --remount-ro DEST            Remount DEST as readonly; does not recursively remount\n"    \
    "    --dev DEST                   Mount new dev on DEST\n"                                     \
    "    --tmpfs DEST                 Mount new tmpfs on DEST\n"                                   \
    "    --symlink SRC DEST           Create symlink at DEST with target SRC\n"                    \
    "    --seccomp FD                 Load and use seccomp rules from FD\n"                        \
    "    --json-status-fd FD          Write container status to FD as multiple JSON documents\n"   \
    "    --new-session                Create a new terminal session\n"                             \
    "    --die-with-parent            Kills with SIGKILL child process (COMMAND)\n"                \
    "    --cap-drop CAP               Drop cap CAP when running as privileged user\n"

/** Of 0.8.0. */
#define BWRAP_HELP_ADDITIONS                                                                       \
    "    --disable-userns             Disable further use of user namespaces inside sandbox\n"     \
    "    --size BYTES                 Set size of next argument (only for --tmpfs)\n"

#endif
