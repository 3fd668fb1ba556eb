/* SPDX-License-Identifier: Apache-2.0 */
/* See receipt.h. */
#include "helpers/task/receipt.h"

#include <apr_strings.h>
#include <stdlib.h>

#include "helpers/task/exit.h"
#include "helpers/task/json.h"
#include "helpers/task/text.h"
#include "lib/id.h"

#define ESTIMATE_MAX INT64_C(1000000000) /* seconds */

task_receipt_t task_receipt_make(void)
{
    return (task_receipt_t){ .stream = { .word = TASK_WORD_PENDING, .backtrace = "" } };
}

static int64_t estimate_of(const char *text)
{
    char *end = NULL;
    int64_t value = text != NULL ? strtoll(text, &end, 10) : 0;

    return end != NULL && *end == '\0' && value > 0 && value <= ESTIMATE_MAX ? value : 0;
}

apr_status_t task_receipt_parse(task_receipt_t *receipt, const task_reply_t *reply,
                                retrace_error_t *err, apr_pool_t *p)
{
    uint32_t id = 0;

    if (reply->task_id == NULL || !retrace_id_parse(reply->task_id, &id)) {
        return retrace_fail(err, TASK_STATUS(TASK_EXIT_PROTOCOL),
                            "the server has made a task without a proper id");
    }
    if (reply->task_password == NULL
        || !task_text_is_word(reply->task_password, TASK_PASSWORD_MAX)) {
        return retrace_fail(err, TASK_STATUS(TASK_EXIT_PROTOCOL),
                            "the server has made a task without a proper password");
    }
    receipt->key.id = apr_pstrdup(p, reply->task_id);
    receipt->key.password = apr_pstrdup(p, reply->task_password);
    receipt->estimate_s = estimate_of(reply->task_estimate);
    return APR_SUCCESS;
}

static apr_status_t print_json(const char **ptext, const task_receipt_t *receipt, const char *url,
                               retrace_error_t *err, apr_pool_t *p)
{
    json_t *object = json_pack("{s:s, s:s, s:s}", "id", receipt->key.id, "password",
                               receipt->key.password, "server", url);
    apr_status_t rv;

    if (receipt->estimate_s > 0) {
        json_object_set_new(object, "estimated_seconds", json_integer(receipt->estimate_s));
    }
    rv = task_json_print(ptext, object, err, p);
    json_decref(object);
    return rv;
}

apr_status_t task_receipt_print(const char **ptext, const task_receipt_t *receipt, const char *url,
                                bool json, retrace_error_t *err, apr_pool_t *p)
{
    if (json) {
        return print_json(ptext, receipt, url, err, p);
    }
    *ptext = task_receipt_text(receipt, p);
    return APR_SUCCESS;
}

const char *task_receipt_text(const task_receipt_t *receipt, apr_pool_t *p)
{
    return apr_psprintf(p, "Task Id: %s\nTask Password: %s\n", receipt->key.id,
                        receipt->key.password);
}
