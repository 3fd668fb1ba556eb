/* SPDX-License-Identifier: Apache-2.0 */
/* Letting retrace-resolve choose packages: what both sides make of lines that are wrong. Shell scripts
 * stand in for the program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/workspace.h"
#include "worker/resolve/elsewhere.h"
#include "worker/resolve/packages.h"

#define LIFETIME_S 60
#define ANSWER                                                                                     \
    "tell\tI\tfine\nrepository\tfedora-36-x86_64\t/keys/fedora-36\n"                               \
    "package\tx-1-1.x86_64\nfile\texecutable\t" SAMPLE_ID "\t/usr/bin/x\nend\n"

typedef struct stage_t {
    workspace_t *ws;
    retrace_config_t config;
    worker_core_t core;
    worker_errand_t errand;
    const char *log; /* "<level> <text>" lines */
} stage_t;

static void note_line(void *baton, char level, const char *text)
{
    stage_t *stage = baton;

    stage->log = apr_psprintf(stage->ws->pool, "%s%c %s\n", stage->log, level, text);
}

static int setup(void **state)
{
    stage_t *stage;
    int rc = workspace_setup(state);

    if (rc != 0) {
        return rc;
    }
    (void)alarm(LIFETIME_S);
    (void)signal(SIGPIPE, SIG_IGN);
    stage = apr_pcalloc(((workspace_t *)*state)->pool, sizeof(*stage));
    stage->ws = *state;
    workspace_make_dir(stage->ws, "programs");
    workspace_make_dir(stage->ws, "repos");
    stage->config = (retrace_config_t){ .path = "/nonexistent",
                                        .cache_dir = workspace_path(stage->ws, "cache"),
                                        .program_dir = workspace_path(stage->ws, "programs"),
                                        .repo_dir = workspace_path(stage->ws, "repos"),
                                        .gpg_key_dir = "/nonexistent",
                                        .max_task_runtime_s = 3600 };
    stage->core.arch = "x86_64";
    stage->core.modules = apr_array_make(stage->ws->pool, 1, sizeof(worker_module_t));
    APR_ARRAY_PUSH(stage->core.modules, worker_module_t) =
        (worker_module_t){ .path = "/usr/bin/x", .build_id = SAMPLE_ID, .is_elf = true };
    APR_ARRAY_PUSH(stage->core.modules, worker_module_t) =
        (worker_module_t){ .path = "/usr/bin/data" };
    stage->errand = (worker_errand_t){ .release = "fedora-36", .tell = note_line, .baton = stage };
    stage->log = "";
    *state = stage;
    return 0;
}

static int teardown(void **state)
{
    stage_t *stage = *state;

    *state = stage->ws;
    return workspace_teardown(state);
}

/* --- Who asks -------------------------------------------------------------------------------- */

static worker_selection_t *ask(stage_t *stage, const char *script, apr_status_t expected)
{
    worker_selection_t *selection = NULL;
    workspace_t *ws = stage->ws;

    workspace_write(ws, "programs/retrace-resolve",
                    apr_pstrcat(ws->pool, "#!/bin/sh\n", script, NULL));
    assert_int_equal(chmod(workspace_path(ws, "programs/retrace-resolve"), 0755), 0);
    assert_int_equal(worker_packages_ask(&selection, &stage->core, &stage->config, &stage->errand,
                                         &ws->err, ws->pool),
                     expected);
    return selection;
}

static const char *printing(const stage_t *stage, const char *answer)
{
    workspace_write(stage->ws, "answer", answer);
    return apr_pstrcat(stage->ws->pool, "cat > ", workspace_path(stage->ws, "question"), "; cat ",
                       workspace_path(stage->ws, "answer"), NULL);
}

static void a_choice_is_taken(void **state)
{
    stage_t *stage = *state;
    const worker_selection_t *selection = ask(stage, printing(stage, ANSWER), APR_SUCCESS);
    const worker_wish_t *wishes = (const worker_wish_t *)selection->wishes->elts;

    assert_string_equal(workspace_read(stage->ws, "question"),
                        "release\tfedora-36\narch\tx86_64\nmodule\t" SAMPLE_ID "\nchoose\n");
    assert_string_equal(stage->log, "I fine\n");
    assert_string_equal(selection->repository, "fedora-36-x86_64");
    assert_string_equal(selection->keys, "/keys/fedora-36");
    assert_int_equal(selection->packages->nelts, 1);
    assert_string_equal(APR_ARRAY_IDX(selection->packages, 0, worker_needed_t).nevra,
                        "x-1-1.x86_64");
    assert_int_equal(selection->wishes->nelts, 2);
    assert_int_equal(wishes[0].kind, WORKER_FILE_EXECUTABLE);
    assert_string_equal(wishes[0].path, "/usr/bin/x");
    assert_non_null(wishes[0].package);
    assert_int_equal(wishes[1].kind, WORKER_FILE_DEBUGINFO);
    assert_null(wishes[1].package);
}

static void a_reason_is_passed_on(void **state)
{
    stage_t *stage = *state;

    ask(stage, printing(stage, "missing\t\tnothing there\n"), APR_NOTFOUND);
    assert_string_equal(stage->ws->err.text, "nothing there");
}

static void answers_that_make_no_sense_are_no_choice(void **state)
{
    static const char *const answers[] = {
        "",
        "end\n",
        "nonsense\n",
        "repository\tfedora-36-x86_64\t",
        "repository\tfedora-36-x86_64\t\nnonsense\nend\n",
        "repository\tfedora-36-x86_64\t\n",
        "repository\ta\tb\tc\td\te\nend\n",
        "repository\tfedora-36-x86_64\t\nfile\texecutable\t" SAMPLE_ID "\t../x\nend\n",
        "repository\tfedora-36-x86_64\t\nfile\texecutable\t" SAMPLE_ID "\t/a/../x\nend\n",
    };
    stage_t *stage = *state;
    size_t i;

    for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        assert_null(ask(stage, printing(stage, answers[i]), APR_EGENERAL));
    }
}

static const char *printing_packages(const stage_t *stage, int count)
{
    return apr_psprintf(stage->ws->pool,
                        "cat > /dev/null; printf 'repository\\tfedora-36-x86_64\\t\\n'; i=0\n"
                        "while [ $i -lt %d ]; do printf 'package\\ta\\n'; i=$((i+1)); done\n"
                        "echo end\n",
                        count);
}

static void packages_have_a_greatest_number(void **state)
{
    stage_t *stage = *state;

    assert_non_null(ask(stage, printing_packages(stage, 2 * WORKER_PACKAGES_MAX), APR_SUCCESS));
    assert_null(ask(stage, printing_packages(stage, 2 * WORKER_PACKAGES_MAX + 1), APR_EGENERAL));
}

static void a_program_that_dies_or_is_not_there_is_no_choice(void **state)
{
    stage_t *stage = *state;

    assert_null(ask(stage, "kill -9 $$", APR_EGENERAL));
    stage->config.program_dir = "/nonexistent";
    assert_null(ask(stage, "", APR_EGENERAL));
    assert_string_equal(stage->ws->err.text, "/nonexistent/retrace-resolve cannot be run");
}

/* --- Who is asked ------------------------------------------------------------------------------ */

static const char *serve(stage_t *stage, const char *questions, apr_status_t expected)
{
    workspace_t *ws = stage->ws;
    FILE *in;
    FILE *out;

    workspace_write(ws, "questions", questions);
    in = fopen(workspace_path(ws, "questions"), "r");
    out = fopen(workspace_path(ws, "answers"), "w");
    assert_non_null(in);
    assert_non_null(out);
    assert_int_equal(worker_elsewhere_serve(in, out, &stage->config, &ws->err, ws->pool), expected);
    (void)fclose(in);
    (void)fclose(out);
    return workspace_read(ws, "answers");
}

static void without_a_repository_there_is_a_reason(void **state)
{
    stage_t *stage = *state;
    const char *answers = serve(
        stage, "release\tfedora-36\narch\tx86_64\nmodule\t" SAMPLE_ID "\nchoose\n", APR_SUCCESS);

    assert_string_equal(answers,
                        apr_psprintf(stage->ws->pool,
                                     "missing\t\tno repository below %s has packages of the "
                                     "crash\n",
                                     stage->config.repo_dir));
}

static void wrong_questions_are_refused(void **state)
{
    static const char *const questions[] = {
        "nonsense\n", "release\tx",        "module\tnothex\n",
        "module\t\n", "module\t../../x\n", "a\tb\tc\td\te\tf\n"
    };
    size_t i;

    for (i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        assert_string_equal(serve(*state, questions[i], APR_EINVAL), "");
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_choice_is_taken),
        TEST(a_reason_is_passed_on),
        TEST(answers_that_make_no_sense_are_no_choice),
        TEST(packages_have_a_greatest_number),
        TEST(a_program_that_dies_or_is_not_there_is_no_choice),
        TEST(without_a_repository_there_is_a_reason),
        TEST(wrong_questions_are_refused),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
