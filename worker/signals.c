/* SPDX-License-Identifier: Apache-2.0 */
/* See signals.h. The numbers are those of every Linux architecture that we read cores of. */
#include "worker/signals.h"

#include <signal.h>
#include <stddef.h>

typedef struct signal_name_t {
    int number;
    const char *name;
} signal_name_t;

typedef struct signal_cause_t {
    int number; /* 0: of any signal */
    int code;
    const char *text;
} signal_cause_t;

static const signal_name_t names[] = {
    { SIGHUP, "SIGHUP" },   { SIGINT, "SIGINT" },   { SIGQUIT, "SIGQUIT" }, { SIGILL, "SIGILL" },
    { SIGTRAP, "SIGTRAP" }, { SIGABRT, "SIGABRT" }, { SIGBUS, "SIGBUS" },   { SIGFPE, "SIGFPE" },
    { SIGKILL, "SIGKILL" }, { SIGUSR1, "SIGUSR1" }, { SIGSEGV, "SIGSEGV" }, { SIGUSR2, "SIGUSR2" },
    { SIGPIPE, "SIGPIPE" }, { SIGALRM, "SIGALRM" }, { SIGTERM, "SIGTERM" }, { SIGXCPU, "SIGXCPU" },
    { SIGXFSZ, "SIGXFSZ" }, { SIGSYS, "SIGSYS" },
};

static const signal_cause_t causes[] = {
    { SIGSEGV, SEGV_MAPERR, "address not mapped to object" },
    { SIGSEGV, SEGV_ACCERR, "invalid permissions for mapped object" },
    { SIGSEGV, SI_KERNEL, "general protection fault or non-canonical address" },
    { SIGBUS, BUS_ADRALN, "invalid address alignment" },
    { SIGBUS, BUS_ADRERR, "nonexistent physical address" },
    { SIGBUS, BUS_OBJERR, "object-specific hardware error" },
    { SIGILL, ILL_ILLOPC, "illegal opcode" },
    { SIGILL, ILL_ILLOPN, "illegal operand" },
    { SIGILL, ILL_PRVOPC, "privileged opcode" },
    { SIGFPE, FPE_INTDIV, "integer divide by zero" },
    { SIGFPE, FPE_INTOVF, "integer overflow" },
    { SIGFPE, FPE_FLTDIV, "floating-point divide by zero" },
    { SIGFPE, FPE_FLTINV, "invalid floating-point operation" },
    { SIGTRAP, TRAP_BRKPT, "breakpoint" },
    { SIGTRAP, TRAP_TRACE, "trace trap" },
    { 0, SI_USER, "sent by kill" },
    { 0, SI_TKILL, "sent by tgkill (raise or abort)" },
    { 0, SI_QUEUE, "sent by sigqueue" },
    { 0, SI_KERNEL, "sent by the kernel" },
};

const char *worker_signal_name(int number)
{
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].number == number) {
            return names[i].name;
        }
    }
    return NULL;
}

const char *worker_signal_cause(int number, int code)
{
    size_t i;

    for (i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
        if ((causes[i].number == number || causes[i].number == 0) && causes[i].code == code) {
            return causes[i].text;
        }
    }
    return NULL;
}
