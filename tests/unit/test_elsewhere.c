/* SPDX-License-Identifier: Apache-2.0 */
/* The conversation with retrace-resolve: what both sides make of lines that are wrong, and that a
 * task goes on whatever becomes of the program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/workspace.h"
#include "worker/resolve/elsewhere.h"
#include "worker/resolve/source.h"

#define LIFETIME_S 60
#define CACHED     "cache/11/11111111111111111111111111111111111111/executable"
#define GREETING   "read release; read arch; read module\n"

typedef struct stage_t {
    workspace_t *ws;
    retrace_config_t config;
    worker_core_t core;
    worker_errand_t errand;
    worker_search_t search;
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
    workspace_build_samples(stage->ws);
    workspace_make_dir(stage->ws, "cache");
    workspace_make_dir(stage->ws, "programs");
    workspace_make_dir(stage->ws, "repos");
    stage->config = (retrace_config_t){ .path = "/nonexistent",
                                        .cache_dir = workspace_path(stage->ws, "cache"),
                                        .program_dir = workspace_path(stage->ws, "programs"),
                                        .repo_dir = workspace_path(stage->ws, "repos"),
                                        .gpg_key_dir = "/nonexistent",
                                        .debuginfod_urls = "",
                                        .max_task_runtime_s = 3600 };
    stage->core.arch = "x86_64";
    stage->core.modules = apr_array_make(stage->ws->pool, 1, sizeof(worker_module_t));
    APR_ARRAY_PUSH(stage->core.modules, worker_module_t) =
        (worker_module_t){ .path = "/usr/bin/x", .build_id = SAMPLE_ID, .is_elf = true };
    stage->errand = (worker_errand_t){ .tell = note_line, .baton = stage };
    stage->search = (worker_search_t){ .core = &stage->core,
                                       .errand = &stage->errand,
                                       .fetched = apr_hash_make(stage->ws->pool) };
    (void)apr_pool_create(&stage->search.scratch, stage->ws->pool);
    stage->log = "";
    *state = stage;
    return 0;
}

static int teardown(void **state)
{
    stage_t *stage = *state;
    void *ws = stage->ws;

    (void)alarm(0);
    return workspace_teardown(&ws);
}

/* --- The side that asks ---------------------------------------------------------------------- */

/* A program that reads what it is told of the core, then does this. */
static void program(stage_t *stage, const char *script)
{
    const char *name = "programs/" WORKER_ELSEWHERE_PROGRAM;

    workspace_write(stage->ws, name,
                    apr_pstrcat(stage->ws->pool, "#!/bin/sh\n" GREETING, script, "\n", NULL));
    assert_int_equal(chmod(workspace_path(stage->ws, name), 0755), 0);
}

static apr_status_t find(worker_found_t **pfound, stage_t *stage)
{
    worker_want_t want = { .kind = WORKER_FILE_EXECUTABLE,
                           .build_id = SAMPLE_ID,
                           .search = &stage->search };

    return worker_source_elsewhere.find(pfound, &stage->config, &want, &stage->ws->err,
                                        stage->ws->pool);
}

static void expect_none(stage_t *stage, const char *words)
{
    worker_found_t *found = NULL;

    assert_int_not_equal(find(&found, stage), APR_SUCCESS);
    assert_null(found);
    if (strstr(stage->ws->err.text, words) == NULL) {
        print_message("%s\n", stage->ws->err.text);
        fail();
    }
}

static void a_program_that_fails_costs_only_what_it_would_have_found(void **state)
{
    static const struct {
        const char *script;
        const char *words;
    } failures[] = {
        { "exit 0", "has ended before its time" },
        { "kill -9 $$", "has ended before its time" },
        { "read find; echo nonsense", "does not make sense" },
        { "read find; printf 'missing\\ta\\tb\\tc\\td\\n'", "does not make sense" },
        { "read find; printf 'found\\trepo'", "does not make sense" },
        { "read find; head -c 9000 /dev/zero | tr '\\0' x; echo", "does not make sense" },
    };
    stage_t *stage = *state;
    size_t i;

    for (i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
        program(stage, failures[i].script);
        stage->log = "";
        stage->search.elsewhere = NULL;
        expect_none(stage, failures[i].words);
        assert_non_null(strstr(stage->log, failures[i].words));
        stage->log = "";
        expect_none(stage, failures[i].words); /* is not asked again */
        assert_string_equal(stage->log, "");
    }
}

static void a_program_that_is_not_there_is_told(void **state)
{
    stage_t *stage = *state;

    expect_none(stage, "programs/" WORKER_ELSEWHERE_PROGRAM " cannot be run");
    assert_non_null(strstr(stage->log, "W "));
}

static void one_that_never_answers_is_given_up(void **state)
{
    stage_t *stage = *state;

    stage->config.max_task_runtime_s = 2;
    program(stage, "exec sleep 1000");
    expect_none(stage, "did not answer in time");
    apr_pool_destroy(stage->search.scratch); /* ends it, or the alarm rings */
}

static void one_that_does_not_listen_is_given_up(void **state)
{
    stage_t *stage = *state;
    worker_module_t module = APR_ARRAY_IDX(stage->core.modules, 0, worker_module_t);
    int i;

    for (i = 1; i < WORKER_CORE_MAX_MODULES; i++) { /* more than a pipe holds */
        APR_ARRAY_PUSH(stage->core.modules, worker_module_t) = module;
    }
    stage->config.max_task_runtime_s = 2;
    workspace_write(stage->ws, "programs/" WORKER_ELSEWHERE_PROGRAM,
                    "#!/bin/sh\nexec sleep 1000\n");
    assert_int_equal(chmod(workspace_path(stage->ws, "programs/" WORKER_ELSEWHERE_PROGRAM), 0755),
                     0);
    expect_none(stage, "does not listen");
    assert_non_null(strstr(stage->log, "W "));
    apr_pool_destroy(stage->search.scratch);
}

/* Each answer alone comes in time. */
static void the_time_is_for_all_answers_together(void **state)
{
    stage_t *stage = *state;

    stage->config.max_task_runtime_s = 4;
    program(stage,
            "while read find; do sleep 0.8; printf 'missing\\trepo\\tno package has it\\n'; done");
    expect_none(stage, "no package has it");
    expect_none(stage, "no package has it");
    expect_none(stage, "did not answer in time");
    apr_pool_destroy(stage->search.scratch);
}

static void what_it_claims_to_have_found_is_looked_at(void **state)
{
    stage_t *stage = *state;

    program(stage, "read find; printf 'found\\trepo\\t/usr/bin/x\\n'");
    expect_none(stage, "cannot be opened");
}

static void answers_are_taken_with_what_was_told_on_the_way(void **state)
{
    stage_t *stage = *state;
    worker_found_t *found = NULL;

    program(stage,
            "read find; printf "
            "'tell\\tI\\tone\\nkept\\trepo\\t/a/path\\nmissing\\trepo, URL\\tno package has "
            "it\\n'; read find; printf 'tell\\tW\\ttwo\\nfound\\trepo\\t/usr/bin/x\\n'; read end");
    expect_none(stage, "no package has it");
    assert_string_equal(stage->search.servers, "repo, URL");
    assert_string_equal(stage->log, "I one\n");
    assert_string_equal(apr_hash_get(stage->search.fetched, "/a/path", APR_HASH_KEY_STRING),
                        "repo");
    workspace_shell(stage->ws, "mkdir -p $(dirname " CACHED ") && cp built/lib.so " CACHED);
    assert_int_equal(find(&found, stage), APR_SUCCESS);
    assert_string_equal(found->source, "repo");
    assert_string_equal(found->origin, "/usr/bin/x");
    assert_string_equal(stage->log, "I one\nW two\n");
}

/* --- The side that looks --------------------------------------------------------------------- */

static apr_status_t serve(const char **panswers, stage_t *stage, const char *questions)
{
    FILE *from;
    FILE *to;
    apr_status_t rv;

    workspace_write(stage->ws, "questions", questions);
    from = fopen(workspace_path(stage->ws, "questions"), "r");
    to = fopen(workspace_path(stage->ws, "answers"), "w");
    assert_non_null(from);
    assert_non_null(to);
    rv = worker_elsewhere_serve(from, to, &stage->config, &stage->ws->err, stage->ws->pool);
    (void)fclose(from);
    (void)fclose(to);
    *panswers = workspace_read(stage->ws, "answers");
    return rv;
}

static void questions_that_are_none_end_the_conversation(void **state)
{
    static const char *const questions[] = {
        "nonsense\n",
        "find\texecutable\n",
        "find\tprogram\t" SAMPLE_ID "\n",
        "find\texecutable\t../../../etc/passwd\n",
        "find\texecutable\t1\n",
        "find\texecutable\t" SAMPLE_ID "\ta\tb\n",
        "module\tABCDEF\n",
        "module\t\n",
        "find\texecutable\t" SAMPLE_ID,
    };
    stage_t *stage = *state;
    const char *answers = NULL;
    char *longest;
    size_t i;

    for (i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        assert_int_equal(serve(&answers, stage, questions[i]), APR_EINVAL);
        assert_string_equal(answers, "");
    }
    longest = apr_palloc(stage->ws->pool, WORKER_ELSEWHERE_LINE + 1);
    memset(longest, 'a', WORKER_ELSEWHERE_LINE);
    memcpy(longest, "release\t", strlen("release\t"));
    longest[WORKER_ELSEWHERE_LINE] = '\0';
    assert_int_equal(serve(&answers, stage, longest), APR_EINVAL);
    longest[WORKER_ELSEWHERE_LINE - 2] = '\n';
    longest[WORKER_ELSEWHERE_LINE - 1] = '\0';
    assert_int_equal(serve(&answers, stage, longest), APR_SUCCESS);
}

static void modules_have_a_limit(void **state)
{
    stage_t *stage = *state;
    const char *answers = NULL;
    const char *line = "module\t" SAMPLE_ID "\n";
    size_t length = strlen(line);
    char *text = apr_palloc(stage->ws->pool, (WORKER_CORE_MAX_MODULES + 1) * length + 1);
    int i;

    for (i = 0; i <= WORKER_CORE_MAX_MODULES; i++) {
        memcpy(text + (size_t)i * length, line, length + 1);
    }
    assert_int_equal(serve(&answers, stage, text), APR_EINVAL);
    text[WORKER_CORE_MAX_MODULES * length] = '\0';
    assert_int_equal(serve(&answers, stage, text), APR_SUCCESS);
}

static void what_nobody_has_is_missing(void **state)
{
    stage_t *stage = *state;
    const char *answers = NULL;

    assert_int_equal(serve(&answers, stage,
                           "release\tfedora-36\narch\tx86_64\nmodule\t" SAMPLE_ID
                           "\nfind\texecutable\t" SAMPLE_ID "\t\nfind\tdwz\t" OTHER_ID "\tname\n"),
                     APR_SUCCESS);
    assert_string_equal(answers, "missing\t\t\nmissing\t\t\n");
}

#define REPO "repos/fedora-36-x86_64/"

static const char *with_repositories(stage_t *stage, int count)
{
    const char *answers = NULL;
    int i;

    for (i = 1; i <= count; i++) {
        const char *name = apr_psprintf(stage->ws->pool, "repos/fedora-%d-x86_64", i);

        if (!workspace_exists(stage->ws, name)) {
            workspace_make_dir(stage->ws, name);
            workspace_make_dir(stage->ws, apr_pstrcat(stage->ws->pool, name, "/repodata", NULL));
        }
    }
    assert_int_equal(serve(&answers, stage, "find\texecutable\t" SAMPLE_ID "\t\n"), APR_SUCCESS);
    return answers;
}

static void four_repositories_are_named_and_others_counted(void **state)
{
    stage_t *stage = *state;
    const char *four =
        "missing\trepo fedora-1-x86_64 fedora-2-x86_64 fedora-3-x86_64 fedora-4-x86_64";

    assert_string_equal(with_repositories(stage, 4),
                        apr_pstrcat(stage->ws->pool, four, "\tno package has it\n", NULL));
    assert_string_equal(
        with_repositories(stage, 5),
        apr_pstrcat(stage->ws->pool, four, " and 1 more\tno package has it\n", NULL));
}

/* The name of a package comes from a mirror. */
static void what_is_told_is_one_clean_line(void **state)
{
    stage_t *stage = *state;
    const char *answers = NULL;

    workspace_make_dir(stage->ws, "repos/fedora-36-x86_64");
    workspace_make_dir(stage->ws, REPO "repodata");
    workspace_write(stage->ws, REPO "a\t\n\r\x1b[31m\x9b\xff.rpm", "junk");
    assert_int_equal(serve(&answers, stage, "find\texecutable\t" SAMPLE_ID "\t\n"), APR_SUCCESS);
    assert_string_equal(
        answers,
        "tell\tW\tPackage fedora-36-x86_64/a  \\x0d\\x1b[31m\\x9b\\xff.rpm is not used: "
        "it is no RPM package\nmissing\trepo fedora-36-x86_64\tno package has it\n");
}

/* Nobody listens on port 1. */
static void what_is_told_fits_a_line(void **state)
{
    stage_t *stage = *state;
    const char *answers = NULL;
    char *path = apr_palloc(stage->ws->pool, 1001);

    memset(path, 'a', 1000);
    path[1000] = '\0';
    stage->config.debuginfod_urls =
        apr_psprintf(stage->ws->pool, "http://127.0.0.1:1/%s http://127.0.0.1:1/%s/b", path, path);
    stage->config.debuginfod_timeout_s = 1;
    stage->config.debuginfod_max_mb = 1;
    assert_int_equal(serve(&answers, stage, "find\texecutable\t" SAMPLE_ID "\t\n"), APR_SUCCESS);
    answers = strstr(answers, "missing\thttp");
    assert_non_null(answers);
    assert_int_equal(strcspn(answers + strlen("missing\t"), "\t"), 1024);
    assert_string_equal(answers + strlen(answers) - 1, "\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_program_that_fails_costs_only_what_it_would_have_found),
        TEST(a_program_that_is_not_there_is_told),
        TEST(one_that_never_answers_is_given_up),
        TEST(one_that_does_not_listen_is_given_up),
        TEST(the_time_is_for_all_answers_together),
        TEST(what_it_claims_to_have_found_is_looked_at),
        TEST(answers_are_taken_with_what_was_told_on_the_way),
        TEST(questions_that_are_none_end_the_conversation),
        TEST(modules_have_a_limit),
        TEST(what_nobody_has_is_missing),
        TEST(four_repositories_are_named_and_others_counted),
        TEST(what_is_told_is_one_clean_line),
        TEST(what_is_told_fits_a_line),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
