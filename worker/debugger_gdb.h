/* SPDX-License-Identifier: Apache-2.0 */
/* Ask gdb about a core in the sandbox. gdb's own files appear below /debugger there, the core at
 * /box/core and the crashed system's files below /sysroot: no file of this machine is visible at a
 * path that a core could name as its own. */
#ifndef RETRACE_WORKER_DEBUGGER_GDB_H
#define RETRACE_WORKER_DEBUGGER_GDB_H

#include <apr_pools.h>
#include <apr_tables.h>

#include "lib/error.h"
#include "worker/sandbox.h"

#define WORKER_SYSROOT         "/sysroot"
#define WORKER_GDB_MAX_FRAMES  2048                        /* set backtrace limit */
#define WORKER_GDB_ELEMENTS    200                         /* set print elements */
#define WORKER_GDB_VALUE_BYTES 65536                       /* set max-value-size */
#define WORKER_GDB_OUTPUT      (INT64_C(16) * 1024 * 1024) /* bytes of its standard output */

typedef enum worker_gdb_section_t {
    WORKER_GDB_HEAD,        /* what gdb says while loading: signal, thread list, warnings */
    WORKER_GDB_THREADS,     /* info threads */
    WORKER_GDB_BACKTRACE,   /* thread apply all -ascending backtrace full */
    WORKER_GDB_LIBRARIES,   /* info sharedlibrary */
    WORKER_GDB_REGISTERS,   /* of the crashed frame */
    WORKER_GDB_DISASSEMBLY, /* around the crash */
    WORKER_GDB_PYTHON,      /* Python frames of the threads that have any */
    WORKER_GDB_FRAMES,      /* the backtraces in parts: JSON, as yet unchecked (worker/frames.h) */
    WORKER_GDB_SECTIONS     /* how many */
} worker_gdb_section_t;

typedef struct worker_gdb_plan_t {
    const char *gdb;                 /* path of gdb on this machine */
    const char *bubblewrap;          /* path of bwrap */
    const char *core;                /* path of the core on this machine */
    const char *program;             /* the executable's path below WORKER_SYSROOT; NULL unknown */
    const apr_array_header_t *binds; /* of worker_bind_t: the environment's files, targets below
                                          WORKER_SYSROOT */
    const apr_array_header_t *links; /* of worker_link_t */
    const char *printers;            /* directory of the libstdc++ printers (the one that holds
                                          libstdcxx/); NULL for none */
    const char *python_helper;       /* CPython's for gdb (python_helper.h); NULL for none */
    worker_sandbox_limits_t limits;
    worker_cgroup_t *cgroup; /* NULL: rlimits only */
} worker_gdb_plan_t;

typedef struct worker_gdb_output_t {
    /** Text of each section: valid UTF-8, no control characters but newline and tab; "" when gdb
     * did not get that far, or cannot (without Python there are no WORKER_GDB_FRAMES). */
    const char *sections[WORKER_GDB_SECTIONS];
    bool is_complete;     /* gdb got beyond the backtrace: what is missing is extra */
    const char *messages; /* gdb's complaints, without those that say nothing */
    const worker_sandbox_result_t *run;
} worker_gdb_output_t;

/** Where gdb and what it reads are. */
typedef struct worker_gdb_place_t {
    const char *const *start; /* words that start gdb; NULL at the end */
    const char *sysroot;      /* directory that holds the crashed system's files */
    const char *debug_dir;    /* and its debug information, by build-id */
    const char *core;
} worker_gdb_place_t;

/** Runs a command line at a place that is not our sandbox. @return as worker_sandbox_run */
typedef apr_status_t (*worker_gdb_runner_fn)(worker_sandbox_result_t **presult, void *baton,
                                             const char *const *argv, retrace_error_t *err,
                                             apr_pool_t *p);

/**
 * Ask gdb at another place the same as in the sandbox.
 * @param program  the executable's path below the place's sysroot; NULL unknown
 * @return as worker_gdb_run, or what the runner says
 */
apr_status_t worker_gdb_run_at(worker_gdb_output_t **poutput, const worker_gdb_place_t *place,
                               const char *program, worker_gdb_runner_fn runner, void *baton,
                               retrace_error_t *err, apr_pool_t *p);

/**
 * Run gdb once.
 * @param poutput  in p; written on success, which means that gdb ran: look at run->end and at the
 *                 sections for what came of it
 * @return as worker_sandbox_run; APR_ENOENT when gdb or its files cannot be found
 */
apr_status_t worker_gdb_run(worker_gdb_output_t **poutput, const worker_gdb_plan_t *plan,
                            retrace_error_t *err, apr_pool_t *p);

#endif
