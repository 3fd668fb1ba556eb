/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel still allows the process that reads an upload (seccomp(2) through libseccomp). */
#ifndef RETRACE_INGEST_LOCKDOWN_H
#define RETRACE_INGEST_LOCKDOWN_H

#include <stdbool.h>

/**
 * For the reader of archives: read, write and truncate what is open, memory (never executable),
 * poll, clock and exit; anything else kills the process with SIGSYS. No file, no exec, no socket,
 * no signal to anyone. Stream functions of stdio and syslog(3) are out of reach as well.
 * Sets NO_NEW_PRIVS, no core dump, a CPU limit, and the locale C.UTF-8 where there is one (the
 * names in pax headers are UTF-8; what the C library loads for them, it must load before).
 * @param max_cpu_s     RLIMIT_CPU, seconds
 * @param max_memory_bytes  RLIMIT_AS; 0 leaves it
 * @return false when the kernel or libseccomp refuses; the process must exit then
 */
bool ingest_lockdown_reader(unsigned int max_cpu_s, unsigned long max_memory_bytes);

/**
 * For the process that keeps the directory: everything but exec, ptrace, namespaces, mounts, keys,
 * bpf, io_uring and the like (those kill it; clone3 alone is "not implemented", so that the C
 * library falls back to clone) and new sockets, which are refused with EPERM: syslog(3) may try
 * one, and go on without. A socket that is open stays usable: open the log before.
 * @return false when the kernel or libseccomp refuses; the process must exit then
 */
bool ingest_lockdown_keeper(void);

#endif
