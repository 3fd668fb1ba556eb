/* SPDX-License-Identifier: Apache-2.0 */
/* One error shape for all programs: a status for code, a sentence for people. */
#ifndef RETRACE_ERROR_H
#define RETRACE_ERROR_H

#include <apr_errno.h>

#define RETRACE_ERROR_MAX 512 /* bytes of a sentence, with its NUL; longer ones are cut */

typedef struct retrace_error_t {
    apr_status_t status;
    char text[RETRACE_ERROR_MAX];
} retrace_error_t;

/**
 * Record why something failed and return the status, so that a failure is one statement:
 * `return retrace_fail(err, errno, "open %s", path);`
 * @param err     receives status and sentence; NULL is allowed
 * @param status  what the caller returns; for a system error its text is appended to the sentence
 * @param format  names the action and the object; no final dot
 * @return status
 */
apr_status_t retrace_fail(retrace_error_t *err, apr_status_t status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
