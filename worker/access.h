/* SPDX-License-Identifier: Apache-2.0 */
/* What one machine instruction does with memory, read from the text that gdb prints for it. Pure. */
#ifndef RETRACE_WORKER_ACCESS_H
#define RETRACE_WORKER_ACCESS_H

#include <stdbool.h>

typedef enum worker_access_t {
    WORKER_ACCESS_UNKNOWN,
    WORKER_ACCESS_READ,
    WORKER_ACCESS_WRITE,
    WORKER_ACCESS_COPY,   /* reads and writes, at two addresses */
    WORKER_ACCESS_BRANCH, /* goes to an address that it has from a register or from memory */
    WORKER_ACCESS_RETURN, /* goes to an address that it has from the stack */
    WORKER_ACCESS_STACK,  /* needs room on the stack */
    WORKER_ACCESS_TRAP    /* is there to end the program */
} worker_access_t;

typedef struct worker_instruction_t {
    worker_access_t access;
    bool is_aligned; /* it also fails when its address is not aligned */
} worker_instruction_t;

/**
 * Look at an instruction. For x86_64 and i386 its operands decide (AT&T syntax), elsewhere its name
 * alone; those of unknown architectures are WORKER_ACCESS_UNKNOWN.
 * @param arch  as in worker_core_t
 * @param text  "mov    (%rax),%eax"; anything may follow
 */
worker_instruction_t worker_access(const char *arch, const char *text);

#endif
