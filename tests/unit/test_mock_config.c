/* SPDX-License-Identifier: Apache-2.0 */
/* The file that mock executes: that nothing gets into it but values, whatever they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "lib/nevra.h"
#include "tests/unit/workspace.h"
#include "worker/environment/mock_config.h"

#define ID         123456789
#define REPOSITORY "fedora-36-x86_64"
#define EXEC       "__import__(\"os\").system(\"touch hacked\")"

/* --- Values ---------------------------------------------------------------------------------- */

static void a_value_is_escaped_but_for_harmless_signs(void **state)
{
    static const char *const pairs[][2] = {
        { "", "''" },
        { "bash-2:5.1~rc1-2.fc36+x^y_z.x86_64", "'bash-2:5.1~rc1-2.fc36+x^y_z.x86_64'" },
        { "a'b", "'a\\x27b'" },
        { "a\"b\\c", "'a\\x22b\\x5cc'" },
        { "'''", "'\\x27\\x27\\x27'" },
        { "a\nb", "'a\\x0ab'" },
        { "$(id)`id`", "'\\x24\\x28id\\x29\\x60id\\x60'" },
        { "%s#;[]", "'\\x25s\\x23\\x3b\\x5b\\x5d'" },
    };
    const workspace_t *ws = *state;
    size_t i;

    for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        const char *literal = NULL;

        assert_true(worker_mock_literal(&literal, pairs[i][0], ws->pool));
        assert_string_equal(literal, pairs[i][1]);
    }
}

/* mock expands {{ ... }} in the values that it has read. */
static void what_no_value_has_is_refused(void **state)
{
    static const char *const values[] = { "{{ 7*7 }}", "{",       "}",    "{% x %}",  "a\rb",
                                          "a\tb",      "\x1b[0m", "\x7f", "\xc3\xa9", "\xff" };
    const workspace_t *ws = *state;
    const char *literal = NULL;
    size_t i;

    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        assert_false(worker_mock_literal(&literal, values[i], ws->pool));
        assert_null(literal);
    }
}

static void a_value_has_a_greatest_length(void **state)
{
    const workspace_t *ws = *state;
    char *text = apr_palloc(ws->pool, WORKER_MOCK_TEXT_MAX + 2);
    const char *literal = NULL;

    memset(text, '\'', WORKER_MOCK_TEXT_MAX + 1);
    text[WORKER_MOCK_TEXT_MAX + 1] = '\0';
    assert_false(worker_mock_literal(&literal, text, ws->pool));
    text[WORKER_MOCK_TEXT_MAX] = '\0';
    assert_true(worker_mock_literal(&literal, text, ws->pool));
    assert_int_equal(strlen(literal), 4 * WORKER_MOCK_TEXT_MAX + 2);
}

static void a_path_as_url_means_nothing_else(void **state)
{
    const workspace_t *ws = *state;

    assert_string_equal(worker_mock_url("/var/cache/x-1_2.3", ws->pool),
                        "file:///var/cache/x-1_2.3");
    assert_string_equal(worker_mock_url("/a b/$releasever/%41/{{x}}/\xc3\xa9", ws->pool),
                        "file:///a%20b/%24releasever/%2541/%7B%7Bx%7D%7D/%C3%A9");
    assert_string_equal(worker_mock_url("/x\ny='", ws->pool), "file:///x%0Ay%3D%27");
}

/* --- Packages -------------------------------------------------------------------------------- */

static void exact_names_of_packages_are_known(void **state)
{
    static const char *const good[] = { "bash-5.1-2.fc36.x86_64", "gedit-2:3.2-1.noarch",
                                        "libstdc++-12.1~rc1-1^git.fc36.i686", "a-1-1.s390x" };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(worker_mock_is_package(good[i]));
    }
}

static void other_words_are_no_packages(void **state)
{
    static const char *const bad[] = { "",
                                       "bash",
                                       "bash-5.1-2",
                                       "bash-5.1-2.",
                                       "--installroot=/-1-1.x86_64",
                                       "-x-1-1.x86_64",
                                       "@core-1-1.x86_64",
                                       "*-1-1.x86_64",
                                       "bash-*-2.fc36.x86_64",
                                       "/etc/x-1-1.x86_64",
                                       "../x-1-1.x86_64",
                                       "a b-1-1.x86_64",
                                       "a\n-1-1.x86_64",
                                       "a'-1-1.x86_64",
                                       "$(id)-1-1.x86_64",
                                       "http://x/a-1-1.x86_64",
                                       "bash-5.1-2.fc36.x86-64/",
                                       "bash-5.1-2.fc36.{{x}}" };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(worker_mock_is_package(bad[i]));
    }
}

static void the_name_of_a_package_has_a_greatest_length(void **state)
{
    char text[RETRACE_NEVRA_MAX + 1];
    static const char tail[] = "-1-1.x86_64";

    (void)state;
    memset(text, 'a', sizeof(text));
    strcpy(text + sizeof(text) - sizeof(tail) - 1, tail);
    assert_int_equal(strlen(text), RETRACE_NEVRA_MAX - 1);
    assert_true(worker_mock_is_package(text));
    strcpy(text + sizeof(text) - sizeof(tail), tail);
    assert_int_equal(strlen(text), RETRACE_NEVRA_MAX);
    assert_false(worker_mock_is_package(text));
}

/* --- The file -------------------------------------------------------------------------------- */

static worker_mock_plan_t make_plan(apr_pool_t *p, const char *package)
{
    apr_array_header_t *packages = apr_array_make(p, 2, sizeof(const char *));
    worker_mock_plan_t plan = { ID, REPOSITORY, "/repos/" REPOSITORY, "/keys/fedora-36", packages };

    APR_ARRAY_PUSH(packages, const char *) = "bash-5.1-2.fc36.x86_64";
    APR_ARRAY_PUSH(packages, const char *) = package;
    return plan;
}

static void expect_refused(workspace_t *ws, const worker_mock_plan_t *plan)
{
    const char *text = NULL;

    assert_int_equal(worker_mock_config(&text, plan, &ws->err, ws->pool), APR_EINVAL);
    assert_null(text);
}

static void a_plan_with_a_hostile_value_is_refused(void **state)
{
    static const char *const names[] = { "x'+" EXEC "+'-1-x86_64",
                                         "fedora-36-x86_64'\n" EXEC,
                                         "../fedora-36-x86_64",
                                         "fedora-36-{{7*7}}",
                                         "fedora 36-36-x86_64",
                                         "fedora",
                                         "fedora-36-",
                                         "fedora-36-x86.64",
                                         "'''-1-1" };
    static const char *const packages[] = { "will'\n" EXEC "-1-1.x86_64", "'''", "x-1-1.{{7*7}}",
                                            "--setopt=x-1-1.x86_64", "$(id)-1-1.x86_64" };
    workspace_t *ws = *state;
    worker_mock_plan_t plan;
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        plan = make_plan(ws->pool, "a-1-1.x86_64");
        plan.repository = names[i];
        expect_refused(ws, &plan);
    }
    for (i = 0; i < sizeof(packages) / sizeof(packages[0]); i++) {
        plan = make_plan(ws->pool, packages[i]);
        expect_refused(ws, &plan);
    }
    plan = make_plan(ws->pool, "a-1-1.x86_64");
    plan.directory = "repos";
    expect_refused(ws, &plan);
    plan = make_plan(ws->pool, "a-1-1.x86_64");
    plan.keys = "keys";
    expect_refused(ws, &plan);
}

/* Executes the file as mock does, behind what the admin has configured, and prints a value. */
static const char *execute_behind(const workspace_t *ws, const worker_mock_plan_t *plan,
                                  const char *site, const char *key)
{
    retrace_error_t err;
    const char *text = NULL;

    assert_int_equal(worker_mock_config(&text, plan, &err, ws->pool), APR_SUCCESS);
    workspace_write(ws, "mock.cfg", text);
    workspace_shell(ws,
                    apr_psprintf(ws->pool,
                                 "python3 -I -c 'config_opts = {\"plugin_conf\": {}}\n"
                                 "config_opts.update(%s)\n"
                                 "exec(open(\"mock.cfg\").read())\n"
                                 "open(\"value\", \"w\").write(str(config_opts[\"%s\"]))'",
                                 site, key));
    return workspace_read(ws, "value");
}

static const char *execute(const workspace_t *ws, const worker_mock_plan_t *plan, const char *key)
{
    return execute_behind(ws, plan, "{}", key);
}

/* mock would quietly do without. */
static void a_container_is_required_unless_the_admin_says_no(void **state)
{
    static const char *const sites[][2] = {
        { "{}", "nspawn" },
        { "{\"isolation\": None, \"use_nspawn\": None}", "nspawn" },
        { "{\"isolation\": \"auto\", \"use_nspawn\": None}", "nspawn" },
        { "{\"isolation\": \"auto\", \"use_nspawn\": False}", "nspawn" },
        { "{\"isolation\": None, \"use_nspawn\": True}", "nspawn" },
        { "{\"isolation\": \"nspawn\", \"use_nspawn\": False}", "nspawn" },
        { "{\"isolation\": \"simple\", \"use_nspawn\": None}", "simple" },
        { "{\"isolation\": None, \"use_nspawn\": False}", "None" },
    };
    const workspace_t *ws = *state;
    const worker_mock_plan_t plan = make_plan(ws->pool, "a-1-1.x86_64");
    size_t i;

    for (i = 0; i < sizeof(sites) / sizeof(sites[0]); i++) {
        assert_string_equal(execute_behind(ws, &plan, sites[i][0], "isolation"), sites[i][1]);
    }
}

static void python_reads_what_was_meant(void **state)
{
    const workspace_t *ws = *state;
    const worker_mock_plan_t plan = make_plan(ws->pool, "gedit-2:3.2-1.noarch");

    assert_string_equal(execute(ws, &plan, "root"), "retrace-123456789");
    assert_string_equal(execute(ws, &plan, "target_arch"), "x86_64");
    assert_string_equal(execute(ws, &plan, "releasever"), "36");
    assert_string_equal(execute(ws, &plan, "use_bootstrap"), "False");
    assert_string_equal(execute(ws, &plan, "chroot_setup_cmd"),
                        "install bash coreutils shadow-utils util-linux gdb "
                        "bash-5.1-2.fc36.x86_64 "
                        "gedit-2:3.2-1.noarch");
}

static void signatures_are_asked_for_where_there_are_keys(void **state)
{
    const workspace_t *ws = *state;
    worker_mock_plan_t plan = make_plan(ws->pool, "a-1-1.x86_64");
    const char *conf = execute(ws, &plan, "dnf.conf");

    assert_non_null(strstr(conf, "\n[" REPOSITORY "]\n"));
    assert_non_null(strstr(conf, "\nbaseurl=file:///repos/" REPOSITORY "\n"));
    assert_non_null(strstr(conf, "\ngpgcheck=1\ngpgkey=file:///keys/fedora-36\n"));
    assert_non_null(strstr(conf, "\nreposdir=/dev/null\n"));
    assert_non_null(strstr(conf, "\nmetadata_expire=1\n"));
    assert_null(strstr(conf, "gpgcheck=0"));
    plan.keys = NULL;
    conf = execute(ws, &plan, "dnf.conf");
    assert_non_null(strstr(conf, "\ngpgcheck=0\n"));
    assert_null(strstr(conf, "gpgkey"));
    assert_null(strstr(conf, "gpgcheck=1"));
}

/* Directories are the admin's, and may be called what they like. */
static void python_runs_nothing_of_a_directory(void **state)
{
    const workspace_t *ws = *state;
    worker_mock_plan_t plan = make_plan(ws->pool, "a-1-1.x86_64");

    plan.directory = "/x'\"+" EXEC "+'{{7*7}}\n[evil]\nbaseurl=http://evil";
    plan.keys = plan.directory;
    assert_null(strstr(execute(ws, &plan, "dnf.conf"), "\n[evil]"));
    assert_false(workspace_exists(ws, "hacked"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_value_is_escaped_but_for_harmless_signs),
        TEST(what_no_value_has_is_refused),
        TEST(a_value_has_a_greatest_length),
        TEST(a_path_as_url_means_nothing_else),
        TEST(exact_names_of_packages_are_known),
        TEST(other_words_are_no_packages),
        TEST(the_name_of_a_package_has_a_greatest_length),
        TEST(a_plan_with_a_hostile_value_is_refused),
        TEST(python_reads_what_was_meant),
        TEST(a_container_is_required_unless_the_admin_says_no),
        TEST(signatures_are_asked_for_where_there_are_keys),
        TEST(python_runs_nothing_of_a_directory),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
