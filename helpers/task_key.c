/* SPDX-License-Identifier: Apache-2.0 */
/* See task_key.h. */
#include "helpers/task_key.h"

#include <stddef.h>
#include <string.h>

const char *task_key_find(const char *name)
{
    static const char *const keys[] = { "caseno", "bugzillano", "notify", "notes" };
    size_t i;

    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        if (strcmp(keys[i], name) == 0) {
            return keys[i];
        }
    }
    return NULL;
}
