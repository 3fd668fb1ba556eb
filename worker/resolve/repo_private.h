/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of repo.h share: which directories and files a repository has. */
#ifndef RETRACE_WORKER_REPO_PRIVATE_H
#define RETRACE_WORKER_REPO_PRIVATE_H

#include "worker/resolve/repo.h"

/** Directories that may hold packages, in their order: the index's stamp has their times.
 * @param pdirectories  of const char *, below the repository, in p */
apr_status_t worker_repo_directories(apr_array_header_t **pdirectories, const worker_repo_t *repo,
                                     retrace_error_t *err, apr_pool_t *p);

/** A line about when something was last changed, in p; "" when it is not there. */
const char *worker_repo_time(const worker_repo_t *repo, const char *path, apr_pool_t *p);

/** The packages in these directories. @return of const char *, below the repository, in p */
apr_array_header_t *worker_repo_files(const worker_repo_t *repo,
                                      const apr_array_header_t *directories, apr_pool_t *p);

#endif
