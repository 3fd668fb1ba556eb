/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of debugger_gdb.c: gdb's own files (gdb_files.c), what it is told (gdb_commands.c,
 * pure) and what it said (gdb_output.c, pure). For these files and their tests only. */
#ifndef RETRACE_WORKER_GDB_PRIVATE_H
#define RETRACE_WORKER_GDB_PRIVATE_H

#include "worker/debugger_gdb.h"

/* Where gdb's files are in the sandbox. Its libraries are only here: gdb is started by its own
 * loader, and no path that a core names for a library of the crashed system exists. */
#define WORKER_GDB_AT               "/debugger"
#define WORKER_GDB_AT_LOADER        WORKER_GDB_AT "/ld.so"
#define WORKER_GDB_AT_LIBRARIES     WORKER_GDB_AT "/lib"
#define WORKER_GDB_AT_PROGRAM       WORKER_GDB_AT "/bin/gdb"
#define WORKER_GDB_AT_DATA          WORKER_GDB_AT "/share/gdb"
#define WORKER_GDB_AT_PYTHON        WORKER_GDB_AT "/python" /* PYTHONHOME */
#define WORKER_GDB_AT_PRINTERS      WORKER_GDB_AT "/printers"
#define WORKER_GDB_AT_LOCALES       WORKER_GDB_AT "/locale"
#define WORKER_GDB_AT_CHARSETS      WORKER_GDB_AT "/gconv"
#define WORKER_GDB_AT_CORE          "/box/core"
#define WORKER_GDB_AT_PYTHON_HELPER WORKER_GDB_AT "/python-gdb.py"

#define WORKER_GDB_PYTHON_THREADS 1024
#define WORKER_GDB_PYTHON_TEXT    262144  /* characters of one thread */
#define WORKER_GDB_PYTHON_ALL     1048576 /* of all threads */
#define WORKER_GDB_PYTHON_SECONDS 5       /* until it stops; twice as much and gdb is killed */

/**
 * Find gdb's files on this machine: program, loader, libraries, data directory, and when it has
 * Python that one's standard library; also character sets and the C.UTF-8 locale where there are
 * any.
 * @param binds  of worker_bind_t, appended to
 * @return APR_ENOENT  gdb, its loader or its data directory is not there
 *         other       its loader cannot tell its libraries
 */
apr_status_t worker_gdb_files(apr_array_header_t *binds, const char *gdb, retrace_error_t *err,
                              apr_pool_t *p);

/** The libraries that `ld.so --list` prints, as binds below WORKER_GDB_AT_LIBRARIES. */
void worker_gdb_libraries(apr_array_header_t *binds, const char *list, apr_pool_t *p);

/** The Python of a library list: "3.11" for libpython3.11.so.1.0; NULL for none. */
const char *worker_gdb_python_version(const char *list, const char **pdirectory, apr_pool_t *p);

/* The steps that gdb announces, by one digit, in the order in which they are asked for. */
typedef enum worker_gdb_step_t {
    WORKER_GDB_STEP_HEAD, /* until the first announcement */
    WORKER_GDB_STEP_THREADS,
    WORKER_GDB_STEP_LIBRARIES,
    WORKER_GDB_STEP_REGISTERS,
    WORKER_GDB_STEP_INSTRUCTIONS, /* from the program counter on */
    WORKER_GDB_STEP_BACKTRACE,
    WORKER_GDB_STEP_FUNCTION, /* the whole function around the program counter */
    WORKER_GDB_STEP_PYTHON,   /* Python frames, with a helper only */
    WORKER_GDB_STEP_FRAMES,   /* the backtraces in parts */
    WORKER_GDB_STEPS
} worker_gdb_step_t;

/** Where gdb finds its files in the sandbox. */
extern const worker_gdb_place_t worker_gdb_place_sandbox;

/**
 * The command line of gdb.
 * @param plan    its program, and whether there are printers and a Python helper, which only the
 *                sandbox has
 * @param nonce   unguessable; announces the steps
 * @param simple  without `thread apply`'s flag -c, which gdb 8.3 brought
 * @return in p, NULL at the end
 */
const char *const *worker_gdb_argv(const worker_gdb_place_t *place, const worker_gdb_plan_t *plan,
                                   const char *nonce, bool simple, apr_pool_t *p);

/** The environment of gdb in the sandbox. */
const char *const *worker_gdb_environment(void);

/** gdb_frames.py and gdb_python.py, as they were when this was built. */
extern const char worker_gdb_frames_script[];
extern const char worker_gdb_frames_script_end[];
extern const char worker_gdb_python_script[];
extern const char worker_gdb_python_script_end[];

/**
 * Cut gdb's output at the announcements.
 * @param sections  WORKER_GDB_SECTIONS of them, in p, as in worker_gdb_output_t
 * @return the last step that was announced
 */
worker_gdb_step_t worker_gdb_split(const char **sections, const char *output, apr_size_t length,
                                   const char *nonce, apr_pool_t *p);

/** What gdb complained about, in p, line by line without those that say nothing. */
const char *worker_gdb_messages(const char *messages, apr_size_t length, apr_pool_t *p);

/**
 * The instructions around the program counter.
 * @param function      what `disassemble` printed; may be empty
 * @param instructions  what `x/16i $pc` printed
 */
const char *worker_gdb_disassembly(const char *function, const char *instructions, apr_pool_t *p);

/** The sandbox of a plan, ready to run, all in p. @param nonce, simple as above */
apr_status_t worker_gdb_prepare(worker_sandbox_t *sandbox, const worker_gdb_plan_t *plan,
                                const char *nonce, bool simple, retrace_error_t *err,
                                apr_pool_t *p);

#endif
