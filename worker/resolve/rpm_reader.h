/* SPDX-License-Identifier: Apache-2.0 */
/* RPM packages on disk, through librpm: whether they may be trusted, and what their headers say.
 * The host's package database is never opened; keys are those of the release, kept in memory. */
#ifndef RETRACE_WORKER_RPM_READER_H
#define RETRACE_WORKER_RPM_READER_H

#include <apr_pools.h>
#include <stdbool.h>

#include "lib/config.h"
#include "lib/error.h"
#include "worker/resolve/package.h"

#define WORKER_RPM_MAX_FILES 500000 /* of one package */

/** librpm, with the keys of one release. */
typedef struct worker_rpm_t worker_rpm_t;

/**
 * Get ready to read packages of a release.
 * @param prpm     in p; released with it
 * @param release  name of the release's directory
 * @return APR_ENOENT  signatures are required, and there is no file of keys for the release
 *         APR_EINVAL  the file holds no key
 */
apr_status_t worker_rpm_open(worker_rpm_t **prpm, const retrace_config_t *config,
                             const char *release, retrace_error_t *err, apr_pool_t *p);

/** The file of keys and its state, "" when signatures are not looked at; whatever was learnt of
 * packages holds only as long as this is the same. In p. */
const char *worker_rpm_trust(const worker_rpm_t *rpm, apr_pool_t *p);

/**
 * Read a package's header, once its signature has been verified.
 * @param path  of the package; err does not name it
 * @return APR_EINVAL  it is no package, is damaged, or is not signed with a key of the release
 */
apr_status_t worker_rpm_read(worker_package_t **ppackage, worker_rpm_t *rpm, const char *path,
                             retrace_error_t *err, apr_pool_t *p);

/** Verify all of a package, its content too. @return as worker_rpm_read */
apr_status_t worker_rpm_verify(worker_rpm_t *rpm, const char *path, retrace_error_t *err,
                               apr_pool_t *scratch);

/**
 * Is this the name of a package that retrace-server-reposync(8) has reduced? Its content is not the one
 * that the header has a checksum of; but the header has one of each file.
 */
bool worker_rpm_is_stripped(const char *file);

/** Verify the header of such a package; each file that comes out of it is for worker_rpm_check_file().
 * @return as worker_rpm_read */
apr_status_t worker_rpm_verify_header(worker_rpm_t *rpm, const char *path, retrace_error_t *err,
                                      apr_pool_t *scratch);

/**
 * Has a file the checksum that the header of its package, verified before, has of it?
 * @param path  of the package
 * @param name  of the file in it
 * @param fd    what came out
 * @return APR_EINVAL  it has another one, or there is none
 */
apr_status_t worker_rpm_check_file(worker_rpm_t *rpm, const char *path, const char *name, int fd,
                                   retrace_error_t *err);

#endif
