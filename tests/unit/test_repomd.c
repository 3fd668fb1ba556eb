/* SPDX-License-Identifier: Apache-2.0 */
/* repomd.xml as the index needs it: with both lists. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/unit/workspace.h"
#include "worker/resolve/repodata.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ENTRY(kind, sum, href)                                                                     \
    "<data type=\"" kind "\"><checksum type=\"sha256\">" sum                                       \
    "</checksum><open-checksum type=\"sha256\">00</open-checksum><location href=\"" href           \
    "\"/></data>"
#define PRIMARY   ENTRY("primary", EMPTY, "repodata/p.xml.gz")
#define FILELISTS ENTRY("filelists", EMPTY, "repodata/f.xml.gz")

static apr_status_t parse(worker_repomd_t **prepomd, workspace_t *ws, const char *entries)
{
    const char *text = apr_pstrcat(ws->pool, "<repomd>", entries, "</repomd>", NULL);

    return worker_repomd_parse(prepomd, text, strlen(text), &ws->err, ws->pool);
}

static void expect_refused(void **state, const char *entries, const char *words)
{
    workspace_t *ws = *state;
    worker_repomd_t *repomd = NULL;

    assert_int_equal(parse(&repomd, ws, entries), APR_EINVAL);
    assert_null(repomd);
    assert_non_null(strstr(ws->err.text, words));
}

static void both_files_are_needed(void **state)
{
    expect_refused(state, "", "repomd.xml names no primary");
    expect_refused(state, FILELISTS, "repomd.xml names no primary");
    expect_refused(state, PRIMARY, "repomd.xml names no filelists");
    expect_refused(state, PRIMARY "<data type=\"filelists\"/>", "filelists has no place");
    expect_refused(state, PRIMARY ENTRY("other", EMPTY, "repodata/f.xml.gz"), "names no filelists");
}

static void damaged_ones_are_refused(void **state)
{
    expect_refused(state, PRIMARY "<data", "line 1: ");
    expect_refused(state, PRIMARY ENTRY("filelists", "abc", "f"), "checksum of an unknown form");
    expect_refused(state, PRIMARY ENTRY("filelists", EMPTY, "../f"), "outside the repository");
    expect_refused(state, PRIMARY ENTRY("filelists", EMPTY, "/etc/passwd"),
                   "outside the repository");
}

static void locations_and_checksums_are_told(void **state)
{
    workspace_t *ws = *state;
    worker_repomd_t *repomd = NULL;

    assert_int_equal(
        parse(&repomd, ws, ENTRY("other", "", "../x") PRIMARY ENTRY("group", "", "") FILELISTS),
        APR_SUCCESS);
    assert_string_equal(repomd->primary.href, "repodata/p.xml.gz");
    assert_string_equal(repomd->filelists.href, "repodata/f.xml.gz");
    assert_string_equal(repomd->primary.checksum.type, "sha256");
    assert_string_equal(repomd->primary.checksum.digits, EMPTY);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_files_are_needed),
        TEST(damaged_ones_are_refused),
        TEST(locations_and_checksums_are_told),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
