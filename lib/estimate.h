/* SPDX-License-Identifier: Apache-2.0 */
/* How long a task takes, by experience: the dispatcher writes `statistics/estimates` from the
 * database, ingest and httpd read it. Lines of `<package> <release> <seconds>`, '-' for any, in any
 * order; the file is replaced as a whole. Pure. */
#ifndef RETRACE_ESTIMATE_H
#define RETRACE_ESTIMATE_H

#include <stdint.h>

#define RETRACE_ESTIMATE_DEFAULT_S 180          /* without any experience */
#define RETRACE_ESTIMATES_MAX      (512 * 1024) /* bytes of the file */

/**
 * Seconds that a task of this package is likely to take: the average of package and release, else of
 * the release, else of all, else RETRACE_ESTIMATE_DEFAULT_S.
 * @param text     content of the file; NULL: there is none
 * @param package  name; NULL: unknown
 * @param release  id; NULL: unknown
 * @return at least 1
 */
int64_t retrace_estimate_find(const char *text, const char *package, const char *release);

/**
 * Seconds until a task ends that has `ahead` others before it.
 * @param own_s     of the task itself
 * @param any_s     of an average task
 * @param parallel  tasks that run at the same time; at least 1
 * @return at least 1
 */
int64_t retrace_estimate_wait(int64_t own_s, int64_t any_s, int64_t ahead, int64_t parallel);

#endif
