/* SPDX-License-Identifier: Apache-2.0 */
/* The backtrace in parts, results/backtrace.json: what gdb's Python (gdb_frames.py) prints, read as
 * if the core had taken gdb over, and completed by what the worker knows itself. Pure but for
 * memory.
 *
 * gdb gives, and nothing else is taken ([] may be missing):
 *   { version: 1, crash_thread, threads, [truncated] }
 *   thread   { id, lwp, crashed, frames, [python], [name], [error], [truncated] }
 *   frame    { level, pc: "0x…", type, inlined, args, locals, [function], [file], [line],
 *              [truncated] }
 *   python   { file, line, function }               (frames of CPython)
 *   variable { name, value, [truncated] }        (of args and locals)
 * truncated is true where a limit below left something out; error says why a thread has no more
 * frames. type is normal, inline, signal (the kernel's trampoline), tailcall, arch or other.
 *
 * The worker puts before these: signal, [signal_name], [fault_address], [executable], [package],
 * [release], arch, missing: [{ kind, build_id, path }]; and behind each frame's: [guess], true below
 * one whose executable is missing, so that gdb guesses who called; [module], [build_id], those of the
 * file that its code is in. */
#ifndef RETRACE_WORKER_FRAMES_H
#define RETRACE_WORKER_FRAMES_H

#include <apr_pools.h>

#include "lib/error.h"
#include "lib/facts.h"
#include "worker/core.h"

/* What gdb leaves out, and more than which is refused. */
#define WORKER_FRAMES_THREADS 1024
#define WORKER_FRAMES_FRAMES                                                                       \
    1024                             /* of a thread: fewer than gdb's own limit, so that it can tell
                                         that there are more */
#define WORKER_FRAMES_VARIABLES 256  /* args, and as many locals, of a frame */
#define WORKER_FRAMES_TEXT      4096 /* characters of a value, a name, a path */
#define WORKER_FRAMES_BYTES     2000000 /* of all frames as JSON */
#define WORKER_FRAMES_SECONDS   10      /* until it stops; twice as much and gdb is killed */

/* What is refused only. */
#define WORKER_FRAMES_INPUT 2500000 /* bytes of JSON: the above, and what is around the frames */
#define WORKER_FRAMES_ITEMS 131072  /* objects and arrays: they are dear in memory */

/**
 * Check and complete what gdb printed.
 * @param ptext  compact JSON and a newline, in p; written only on success. Its strings hold no
 *               control characters but newline and tab: others became \xNN
 * @param facts  package, release and missing files
 * @return APR_EINVAL  it is malformed, breaks a limit or would be longer than
 *                     RETRACE_BACKTRACE_MAX; err says how
 */
apr_status_t worker_frames(const char **ptext, const char *json, const worker_core_t *core,
                           const retrace_facts_t *facts, retrace_error_t *err, apr_pool_t *p);

#endif
