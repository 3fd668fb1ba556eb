/* SPDX-License-Identifier: Apache-2.0 */
/* The directory of the lists of packages (lib/package_list.h), `SaveDir/packages`: which of them have
 * to be made again. The dispatcher asks, and has them made; httpd asks, too, and wakes the dispatcher:
 * both must come to the same answer. */
#ifndef RETRACE_PACKAGES_H
#define RETRACE_PACKAGES_H

#include <apr_pools.h>
#include <apr_time.h>
#include <stdbool.h>

#include "lib/config.h"
#include "lib/error.h"
#include "lib/package_list.h"

#define RETRACE_PACKAGES_RECHECK_S                                                                 \
    600 /* a list is checked this often even if nothing seems to have changed: keys may have */
#define RETRACE_PACKAGES_GIVE_UP_S 600 /* no attempt this soon after one that brought nothing */

/**
 * Is a list missing or stale, or one left of a release that is gone? Not within
 * RETRACE_PACKAGES_GIVE_UP_S of retrace_packages_give_up, unless a repository has changed since; nor
 * while there is no SaveDir.
 * A few system calls for each release.
 */
bool retrace_packages_are_due(const retrace_config_t *config, apr_time_t now, apr_pool_t *p);

/** The state of one release's repository, with what FetchOnDemand has its list have. */
retrace_package_state_t retrace_packages_state_of(const retrace_config_t *config,
                                                  const char *release, apr_pool_t *p);

/** The state of all repositories together, as one word in p. */
const char *retrace_packages_state(const retrace_config_t *config, apr_pool_t *p);

/** Remember that the lists could not be brought up to date while that was the state. As the spool's
 * owner. */
apr_status_t retrace_packages_give_up(const retrace_config_t *config, const char *state,
                                      retrace_error_t *err);

/**
 * Open the directory for writing, making it if it is not there. As the spool's owner.
 * @param pfd  close-on-exec; the caller closes it
 */
apr_status_t retrace_packages_open(int *pfd, const retrace_config_t *config, retrace_error_t *err);

/** Remove the lists of releases that are gone. As the spool's owner. */
apr_status_t retrace_packages_sweep(const retrace_config_t *config, retrace_error_t *err,
                                    apr_pool_t *p);

#endif
