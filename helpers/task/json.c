/* SPDX-License-Identifier: Apache-2.0 */
/* See json.h. */
#include "helpers/task/json.h"

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "helpers/task/exit.h"

#define JSON_TYPE "application/json"

bool task_type_is_json(const char *type)
{
    size_t length = sizeof(JSON_TYPE) - 1;

    return type != NULL && strncasecmp(type, JSON_TYPE, length) == 0
        && (type[length] == '\0' || type[length] == ';' || type[length] == ' ');
}

static apr_status_t release(void *baton)
{
    json_decref(baton);
    return APR_SUCCESS;
}

apr_status_t task_json_load(json_t **pobject, const char *body, apr_size_t length,
                            retrace_error_t *err, apr_pool_t *p)
{
    json_t *object = json_loadb(body, length, 0, NULL);

    if (!json_is_object(object)) {
        json_decref(object);
        return retrace_fail(err, TASK_STATUS(TASK_EXIT_PROTOCOL),
                            "the server calls JSON what is no JSON object");
    }
    apr_pool_cleanup_register(p, object, release, apr_pool_cleanup_null);
    *pobject = object;
    return APR_SUCCESS;
}

int64_t task_json_number(const json_t *object, const char *key, int64_t min, int64_t max,
                         int64_t otherwise)
{
    const json_t *member = json_object_get(object, key);
    int64_t value = json_integer_value(member);

    return json_is_integer(member) && value >= min && value <= max ? value : otherwise;
}

apr_status_t task_json_print(const char **ptext, const json_t *object, retrace_error_t *err,
                             apr_pool_t *p)
{
    char *text = json_dumps(object, JSON_INDENT(2) | JSON_ENSURE_ASCII);

    if (text == NULL) {
        return retrace_fail(err, APR_ENOMEM, "print JSON");
    }
    *ptext = apr_pstrcat(p, text, "\n", NULL);
    free(text);
    return APR_SUCCESS;
}
