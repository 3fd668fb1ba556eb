/* SPDX-License-Identifier: Apache-2.0 */
/* What the setuid helper may do is fixed when it is linked: one small generated object holds these
 * values (make writes helper_policy.c from OWNER, HTTPD_USER, CONFIG and LIBEXECDIR). */
#ifndef RETRACE_HELPER_POLICY_H
#define RETRACE_HELPER_POLICY_H

#include <stdbool.h>

typedef struct helper_policy_t {
    const char *config;   /* absolute path of the settings file */
    const char *caller;   /* the only user who may call: httpd's */
    const char *owner;    /* whom the helper becomes, for good */
    const char *group;    /* of the owner */
    const char *programs; /* directory of the programs that it starts */
} helper_policy_t;

extern const helper_policy_t helper_policy;

#endif
