/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls that a debugger needs, as a filter for bwrap's --seccomp. */
#ifndef RETRACE_WORKER_SECCOMP_H
#define RETRACE_WORKER_SECCOMP_H

#include "lib/error.h"

/**
 * Export the filter (BPF) into an unlinked file: default EPERM, clone3 ENOSYS, what no debugger of
 * a core needs (sockets, ptrace, mounts, namespaces, bpf, keys, …) kills the process.
 * @param pfd  open at its beginning, close-on-exec; the caller closes it
 */
apr_status_t worker_seccomp_export(int *pfd, retrace_error_t *err);

#endif
