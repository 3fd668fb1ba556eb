/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/task/receipt.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>
#include <string.h>

#include "helpers/task/receipt.h"
#include "tests/unit/workspace.h"

static apr_status_t parse(void **state, task_receipt_t *receipt, const char *id,
                          const char *password, const char *estimate)
{
    workspace_t *ws = *state;
    task_reply_t reply = {
        .status = 201, .task_id = id, .task_password = password, .task_estimate = estimate
    };

    *receipt = task_receipt_make();
    return task_receipt_parse(receipt, &reply, &ws->err, ws->pool);
}

static void id_password_and_estimate_are_taken(void **state)
{
    task_receipt_t receipt;

    assert_int_equal(parse(state, &receipt, "123456789", "secret", "42"), APR_SUCCESS);
    assert_string_equal(receipt.key.id, "123456789");
    assert_string_equal(receipt.key.password, "secret");
    assert_int_equal(receipt.estimate_s, 42);
}

static void an_estimate_that_is_none_is_not_told(void **state)
{
    static const char *const bad[] = { "", "0", "-1", "x", "1x", "99999999999999999999" };
    task_receipt_t receipt;
    size_t i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(parse(state, &receipt, "123456789", "secret", bad[i]), APR_SUCCESS);
        assert_int_equal(receipt.estimate_s, 0);
    }
    assert_int_equal(parse(state, &receipt, "123456789", "secret", NULL), APR_SUCCESS);
}

static void without_id_or_password_there_is_no_task(void **state)
{
    static const char *const ids[] = {
        NULL, "", "12345678", "1234567890", "../123456", "12345678x"
    };
    char password[TASK_PASSWORD_MAX + 2] = { 0 };
    task_receipt_t receipt;
    size_t i;

    for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        assert_int_equal(parse(state, &receipt, ids[i], "secret", "1"),
                         TASK_STATUS(TASK_EXIT_PROTOCOL));
        assert_null(receipt.key.id);
    }
    memset(password, 'x', TASK_PASSWORD_MAX);
    assert_int_equal(parse(state, &receipt, "123456789", password, "1"), APR_SUCCESS);
    password[TASK_PASSWORD_MAX] = 'x';
    assert_int_equal(parse(state, &receipt, "123456789", password, "1"),
                     TASK_STATUS(TASK_EXIT_PROTOCOL));
    assert_null(receipt.key.id);
}

static void expect_print(void **state, const task_receipt_t *receipt, bool json, const char *wanted)
{
    workspace_t *ws = *state;
    const char *text = NULL;

    assert_int_equal(task_receipt_print(&text, receipt, "https://a/", json, &ws->err, ws->pool),
                     APR_SUCCESS);
    assert_string_equal(text, wanted);
}

static void it_is_printed_for_people_and_for_programs(void **state)
{
    task_receipt_t receipt;

    assert_int_equal(parse(state, &receipt, "123456789", "a\"b", "42"), APR_SUCCESS);
    expect_print(state, &receipt, false, "Task Id: 123456789\nTask Password: a\"b\n");
    expect_print(state, &receipt, true,
                 "{\n  \"id\": \"123456789\",\n  \"password\": \"a\\\"b\",\n"
                 "  \"server\": \"https://a/\",\n  \"estimated_seconds\": 42\n}\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(id_password_and_estimate_are_taken),
        TEST(an_estimate_that_is_none_is_not_told),
        TEST(without_id_or_password_there_is_no_task),
        TEST(it_is_printed_for_people_and_for_programs),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
