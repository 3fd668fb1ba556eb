/* SPDX-License-Identifier: Apache-2.0 */
/* What httpd may know of a repository: the list of its packages (lib/package_list.h). */
#ifndef RETRACE_WORKER_REPO_PUBLISH_H
#define RETRACE_WORKER_REPO_PUBLISH_H

#include <apr_pools.h>

#include "lib/config.h"
#include "lib/error.h"
#include "lib/package_list.h"
#include "worker/resolve/repo.h"

/**
 * Publish the packages of an index that is up to date, with FetchOnDemand those, too, that only
 * repodata name, unless the list of this state is there and nothing has changed. The caller holds the
 * release's lock. Nobody but httpd needs the list: whoever has an index can go on without it.
 * @param state  of the repository, from before the index was brought up to date
 */
apr_status_t worker_repo_publish(const worker_repo_t *repo, const retrace_config_t *config,
                                 const retrace_package_state_t *state, retrace_error_t *err,
                                 apr_pool_t *scratch);

/**
 * Is it the repository, or its keys, that worker_repo_open has failed for? Then nobody else can use it
 * either. Otherwise something is short for a while: space, descriptors, a file system that is away.
 */
bool worker_repo_is_at_fault(apr_status_t rv);

/**
 * Publish that a repository cannot be used: an empty list, as no worker would take a package of it.
 * It is tried again when the repository has changed, or after RETRACE_PACKAGES_RECHECK_S.
 * @param state  of the repository, from before it was opened
 */
apr_status_t worker_repo_publish_none(const retrace_config_t *config, const char *name,
                                      const retrace_package_state_t *state, retrace_error_t *err,
                                      apr_pool_t *scratch);

#endif
