/* SPDX-License-Identifier: Apache-2.0 */
/* See state.h. */
#include "helpers/task/state.h"

#include <string.h>

#include "helpers/task/json.h"
#include "helpers/task/text.h"

typedef struct word_rule_t {
    const char *text;
    task_exit_t exit;
} word_rule_t;

static const word_rule_t words[] = {
    [TASK_WORD_PENDING] = { "PENDING", TASK_EXIT_PENDING },
    [TASK_WORD_SUCCESS] = { "FINISHED_SUCCESS", TASK_EXIT_OK },
    [TASK_WORD_FAILURE] = { "FINISHED_FAILURE", TASK_EXIT_FAILED },
};

bool task_word_parse(task_word_t *pword, const char *text)
{
    size_t i;

    for (i = 0; text != NULL && i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(words[i].text, text) == 0) {
            *pword = (task_word_t)i;
            return true;
        }
    }
    return false;
}

const char *task_word_text(task_word_t word)
{
    return words[word].text;
}

task_exit_t task_word_exit(task_word_t word)
{
    return words[word].exit;
}

static apr_status_t take_json(task_state_t *state, const char *body, apr_size_t length,
                              retrace_error_t *err, apr_pool_t *p)
{
    json_t *object = NULL;
    const char *text;
    apr_status_t rv = task_json_load(&object, body, length, err, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    text = json_string_value(json_object_get(object, "text"));
    text = text != NULL ? text : task_word_text(state->word);
    state->text = task_text_clean(text, strlen(text), TASK_TEXT_LINE, p);
    state->percent = (int)task_json_number(object, "percent", 0, 100, -1);
    state->queue_position = (int)task_json_number(object, "queue_position", 1, INT32_MAX, 0);
    return APR_SUCCESS;
}

apr_status_t task_state_parse(task_state_t *state, const char *word, const char *type,
                              const char *body, apr_size_t length, retrace_error_t *err,
                              apr_pool_t *p)
{
    task_state_t found = { .percent = -1 };
    apr_status_t rv = APR_SUCCESS;

    if (!task_word_parse(&found.word, word)) {
        return retrace_fail(err, TASK_STATUS(TASK_EXIT_PROTOCOL), "the server tells no state: %s",
                            word == NULL ? "X-Task-Status is missing" : word);
    }
    if (task_type_is_json(type)) {
        rv = take_json(&found, body, length, err, p);
    }
    else {
        found.text = task_text_clean(body, length, TASK_TEXT_LINE, p);
    }
    if (rv == APR_SUCCESS) {
        *state = found;
    }
    return rv;
}
