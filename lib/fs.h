/* SPDX-License-Identifier: Apache-2.0 */
/* Small files and directories below an open directory: read whole, replaced atomically, removed as
 * a tree, locked. Names are single components of ours; nothing follows a symbolic link. */
#ifndef RETRACE_FS_H
#define RETRACE_FS_H

#include <apr_pools.h>
#include <stdbool.h>
#include <sys/types.h>

#include "lib/error.h"

#define RETRACE_FS_MAX_DEPTH 16 /* directories within each other that are removed */

/**
 * Open a directory.
 * @param pfd   close-on-exec; the caller closes it
 * @param at    directory that `name` is below, or AT_FDCWD for a path
 * @return APR_ENOENT when there is none
 */
apr_status_t retrace_fs_open_dir(int *pfd, int at, const char *name, retrace_error_t *err);

/** As retrace_fs_open_dir, but made (mode, by umask) when it is not there. */
apr_status_t retrace_fs_make_dir(int *pfd, int at, const char *name, mode_t mode,
                                 retrace_error_t *err);

/**
 * Read a whole regular file.
 * @param ptext    in p, NUL-terminated; written only on success
 * @param plength  bytes without that NUL; may be NULL
 * @param max      bytes
 * @return APR_ENOENT  there is none
 *         APR_EINVAL  not a regular file, or longer than max
 */
apr_status_t retrace_fs_read(const char **ptext, apr_size_t *plength, int dir, const char *name,
                             apr_size_t max, retrace_error_t *err, apr_pool_t *p);

/**
 * Write a file completely, then give it its name: readers see the old content or the new one.
 * @param mode     final from the start
 * @param durable  also survive a loss of power: fsync of the file and of the directory
 */
apr_status_t retrace_fs_replace(int dir, const char *name, const void *data, apr_size_t length,
                                mode_t mode, bool durable, retrace_error_t *err);

/** How many entries a directory has, or `max` when it has that many or more. */
apr_status_t retrace_fs_count(int *pcount, int dir, int max, retrace_error_t *err);

/** Is this the name of a file that retrace_fs_replace has not finished? */
bool retrace_fs_is_unfinished(const char *name);

/** Remove what a killed writer left beside the files that it was to replace (names of
 * retrace_fs_replace). */
apr_status_t retrace_fs_remove_unfinished(int dir, retrace_error_t *err);

/**
 * Call `visit` for each entry of a directory but `.` and `..`, in no order, until it returns false.
 */
apr_status_t retrace_fs_each(int dir, bool (*visit)(void *baton, const char *name), void *baton,
                             retrace_error_t *err);

/** Write all bytes. @return 0 or errno */
apr_status_t retrace_fs_write_all(int fd, const void *data, apr_size_t length);

/** Is there anything of this name? True also when the system cannot tell (no memory, I/O error). */
bool retrace_fs_exists(int dir, const char *name);

/**
 * Remove a file or a directory with all that is in it. What is not there is removed already.
 */
apr_status_t retrace_fs_remove(int dir, const char *name, retrace_error_t *err);

/**
 * Take an exclusive OFD lock (fcntl(2)) on a lock file, making the file (0600) when it is not
 * there. The lock is gone when the descriptor is closed or the process dies, however it dies.
 * @param pfd   close-on-exec; keep it open for as long as the lock is needed
 * @param wait  wait for the present holder
 * @return APR_EBUSY when it is held and wait is false
 */
apr_status_t retrace_fs_lock(int *pfd, int dir, const char *name, bool wait, retrace_error_t *err);

/** The same, but wait for the present holder no longer than so many milliseconds: it may be one that was
 * stopped. @return APR_EBUSY when it is held even then */
apr_status_t retrace_fs_lock_within(int *pfd, int dir, const char *name, apr_int64_t ms,
                                    retrace_error_t *err);

struct stat;

/** May this file be believed? It must belong to root or to this user, and nobody else may write it.
 * @param path  for err @return APR_EACCES */
apr_status_t retrace_fs_require_owner(const struct stat *info, const char *path,
                                      retrace_error_t *err);

/** Does somebody hold this lock? False also when there is no such file; true when the system cannot
 * tell: who asks wants to remove what is not held. */
bool retrace_fs_is_locked(int dir, const char *name);

/** Free bytes for ordinary users on the file system of this descriptor; -1 when it cannot tell. */
apr_int64_t retrace_fs_free_bytes(int fd);

#endif
