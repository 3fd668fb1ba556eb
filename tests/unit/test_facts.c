/* SPDX-License-Identifier: Apache-2.0 */
/* lib/facts.h */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <string.h>

#include "lib/facts.h"
#include "tests/unit/workspace.h"

static void what_is_written_is_read(void **state)
{
    const workspace_t *ws = *state;
    retrace_facts_t *facts = retrace_facts_make(ws->pool);
    retrace_facts_t *read;

    facts->package = "bash";
    facts->version = "1:5.1-2.fc36";
    facts->release = "fedora-36";
    facts->arch = "x86_64";
    facts->core_bytes = INT64_C(5000000000);
    facts->timing_ms[RETRACE_TIMING_DEBUGGER] = 123;
    facts->cache_hits = 3;
    facts->cache_misses = 1;
    APR_ARRAY_PUSH(facts->missing, retrace_missing_t) =
        (retrace_missing_t){ "debuginfo", SAMPLE_ID, "/usr/bin/x" };
    read = retrace_facts_parse(retrace_facts_format(facts, ws->pool), ws->pool);
    assert_string_equal(read->package, "bash");
    assert_string_equal(read->version, "1:5.1-2.fc36");
    assert_string_equal(read->release, "fedora-36");
    assert_string_equal(read->arch, "x86_64");
    assert_true(read->core_bytes == INT64_C(5000000000));
    assert_int_equal(read->timing_ms[RETRACE_TIMING_DEBUGGER], 123);
    assert_int_equal(read->timing_ms[RETRACE_TIMING_ANALYZE], -1);
    assert_int_equal(read->cache_hits, 3);
    assert_int_equal(read->cache_misses, 1);
    assert_int_equal(read->missing->nelts, 1);
    assert_string_equal(APR_ARRAY_IDX(read->missing, 0, retrace_missing_t).build_id, SAMPLE_ID);
    assert_string_equal(APR_ARRAY_IDX(read->missing, 0, retrace_missing_t).path, "/usr/bin/x");
}

static void unknown_values_are_dashes(void **state)
{
    const workspace_t *ws = *state;
    retrace_facts_t *read = retrace_facts_parse("", ws->pool);

    assert_string_equal(read->package, "-");
    read = retrace_facts_parse(retrace_facts_format(read, ws->pool), ws->pool);
    assert_string_equal(read->package, "-");
    assert_string_equal(read->arch, "-");
    assert_int_equal(read->missing->nelts, 0);
}

/* A path of a core may hold a newline: it must not become a line of ours. */
static void a_value_cannot_become_a_line(void **state)
{
    const workspace_t *ws = *state;
    retrace_facts_t *facts = retrace_facts_make(ws->pool);
    retrace_facts_t *read;

    facts->package = "a\npackage evil";
    APR_ARRAY_PUSH(facts->missing, retrace_missing_t) =
        (retrace_missing_t){ "debuginfo", SAMPLE_ID, "/a b\ncore_bytes 5" };
    read = retrace_facts_parse(retrace_facts_format(facts, ws->pool), ws->pool);
    assert_string_equal(read->package, "a?package?evil");
    assert_int_equal(read->core_bytes, 0);
    assert_string_equal(APR_ARRAY_IDX(read->missing, 0, retrace_missing_t).path,
                        "/a?b?core_bytes?5");
}

static void malformed_lines_are_passed_over(void **state)
{
    const workspace_t *ws = *state;
    retrace_facts_t *read = retrace_facts_parse(
        "\n \npackage\nmissing\nmissing a\nmissing a b\ntime\ntime x\ntime x 5\nunknown 1\n"
        "core_bytes x\narch i386",
        ws->pool);

    assert_string_equal(read->package, "-");
    assert_string_equal(read->arch, "i386");
    assert_int_equal(read->missing->nelts, 0);
}

static const char *many_missing(int count, apr_pool_t *p)
{
    apr_array_header_t *lines = apr_array_make(p, count, sizeof(const char *));
    int i;

    for (i = 0; i < count; i++) {
        APR_ARRAY_PUSH(lines, const char *) = apr_psprintf(p, "missing dwz %d /x\n", i);
    }
    return apr_array_pstrcat(p, lines, '\0');
}

static void the_list_of_missing_files_is_bounded(void **state)
{
    const workspace_t *ws = *state;

    assert_int_equal(
        retrace_facts_parse(many_missing(RETRACE_FACTS_MAX_MISSING, ws->pool), ws->pool)
            ->missing->nelts,
        RETRACE_FACTS_MAX_MISSING);
    assert_int_equal(
        retrace_facts_parse(many_missing(RETRACE_FACTS_MAX_MISSING + 1, ws->pool), ws->pool)
            ->missing->nelts,
        RETRACE_FACTS_MAX_MISSING);
}

static void a_value_is_cut_off(void **state)
{
    const workspace_t *ws = *state;
    char value[400];
    retrace_facts_t *facts = retrace_facts_make(ws->pool);

    memset(value, 'x', sizeof(value));
    value[sizeof(value) - 1] = '\0';
    facts->package = value;
    facts = retrace_facts_parse(retrace_facts_format(facts, ws->pool), ws->pool);
    assert_int_equal(strlen(facts->package), 256);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)
        TEST(what_is_written_is_read),
        TEST(unknown_values_are_dashes),
        TEST(a_value_cannot_become_a_line),
        TEST(malformed_lines_are_passed_over),
        TEST(the_list_of_missing_files_is_bounded),
        TEST(a_value_is_cut_off),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
