/* SPDX-License-Identifier: Apache-2.0 */
/* Names of signals and of their causes, as signal(7) and sigaction(2) give them for Linux. */
#ifndef RETRACE_WORKER_SIGNALS_H
#define RETRACE_WORKER_SIGNALS_H

/** "SIGSEGV"; NULL for a number that has no name here. */
const char *worker_signal_name(int number);

/** "address not mapped to object" for (SIGSEGV, SEGV_MAPERR); NULL for an unknown pair. */
const char *worker_signal_cause(int number, int code);

#endif
