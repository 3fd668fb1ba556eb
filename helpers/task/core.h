/* SPDX-License-Identifier: Apache-2.0 */
/* The core file that is to be sent: is it one, how is it packed, and its plain content. It is read
 * in blocks, never as a whole. */
#ifndef RETRACE_TASK_CORE_H
#define RETRACE_TASK_CORE_H

#include <apr.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/error.h"

#define TASK_BLOCK     (64 * 1024) /* bytes that are read at a time */
#define TASK_MAGIC_MAX 18          /* bytes from which a core, or a packing, is known */

/** How a core file is packed. */
typedef enum task_packing_t {
    TASK_PACKING_NONE,
    TASK_PACKING_GZIP,
    TASK_PACKING_XZ,
    TASK_PACKING_ZSTD,
    TASK_PACKING_LZ4,
    TASK_PACKINGS /* how many */
} task_packing_t;

/** The name's end: "", ".gz", ".xz", ".zst", ".lz4". */
const char *task_packing_suffix(task_packing_t packing);

/** How content is packed that begins so. Pure. */
task_packing_t task_packing_find(const unsigned char *bytes, apr_size_t length);

/** Does an ELF core begin so? Pure. */
bool task_core_is_elf(const unsigned char *bytes, apr_size_t length);

/**
 * Open a core file and look into it, also when it is packed.
 * @param pfd       close-on-exec, at its start; the caller closes it
 * @param ppacking  written, as all three, only on success
 * @param pbytes    size of the file
 * @param at        directory that `name` is below, in which no symbolic link is followed; or
 *                  AT_FDCWD, for a path of the user's
 * @return TASK_STATUS(TASK_EXIT_SOURCE)  it cannot be read, or is no core
 */
apr_status_t task_core_open(int *pfd, task_packing_t *ppacking, int64_t *pbytes, int at,
                            const char *name, retrace_error_t *err);

/** The same for a file that is open already. */
apr_status_t task_core_inspect(task_packing_t *ppacking, int64_t *pbytes, int fd, const char *name,
                               retrace_error_t *err);

/**
 * Unpack a core into a temporary file.
 * @param pfd        at its start, as by task_temporary_open; written only on success
 * @param pbytes     its size
 * @param max_bytes  -1: no limit
 * @return TASK_STATUS(TASK_EXIT_SOURCE)  it is broken, or longer
 *         TASK_STATUS(TASK_EXIT_IO)      it cannot be stored
 */
apr_status_t task_core_unpack(int *pfd, int64_t *pbytes, int fd, int64_t max_bytes,
                              retrace_error_t *err);

#endif
