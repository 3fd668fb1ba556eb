/* SPDX-License-Identifier: Apache-2.0 */
/* What is published of an index, and when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <errno.h>

#include "tests/unit/workspace.h"
#include "worker/resolve/repo_publish.h"

#define RELEASE "fedora-36-x86_64"
#define LIST    "spool/packages/" RELEASE

static const retrace_package_state_t first = { "1.000000000.1" };
static const retrace_package_state_t second = { "2.000000000.2" };

typedef struct stage_t {
    retrace_config_t config;
    worker_repo_t repo;
} stage_t;

/* A release with an index, open anew. */
static stage_t open_stage(workspace_t *ws)
{
    stage_t stage = { { .save_dir = workspace_path(ws, "spool"),
                        .repo_dir = workspace_path(ws, "repos") },
                      { .name = RELEASE, .fd = -1, .locks = -1 } };

    assert_int_equal(
        worker_index_open(&stage.repo.index, workspace_path(ws, "release.db"), &ws->err, ws->pool),
        APR_SUCCESS);
    return stage;
}

static void put(workspace_t *ws, const stage_t *stage, const char *name, const char *epoch,
                const char *refusal)
{
    const worker_package_t package = { name,     epoch,    "1.0",
                                       "1.fc36", "x86_64", apr_array_make(ws->pool, 1, 1),
                                       "" };
    const worker_index_entry_t entry = { apr_pstrcat(ws->pool, name, ".rpm", NULL), 1, 2, refusal };

    assert_int_equal(
        worker_index_put(stage->repo.index, &entry, refusal == NULL ? &package : NULL, &ws->err),
        APR_SUCCESS);
}

/* As metadata name them, where put() has them. */
static void put_remote(workspace_t *ws, const stage_t *stage, const char *const *names, int count)
{
    worker_repodata_t *data = worker_repodata_make(apr_hash_make(ws->pool), ws->pool);
    int i;

    for (i = 0; i < count; i++) {
        worker_remote_t *remote = apr_array_push(data->packages);

        remote->name = names[i];
        remote->epoch = "";
        remote->version = "1.0";
        remote->release = "1.fc36";
        remote->arch = "x86_64";
        remote->source = "";
        remote->location = apr_pstrcat(ws->pool, names[i], ".rpm", NULL);
        remote->checksum.type = "sha256";
        apr_cpystrn(remote->checksum.digits, names[i], sizeof(remote->checksum.digits));
        remote->size = 1;
    }
    assert_int_equal(
        worker_index_put_remote(stage->repo.index, data, "some metadata", &ws->err, ws->pool),
        APR_SUCCESS);
}

static apr_status_t publish(workspace_t *ws, const stage_t *stage,
                            const retrace_package_state_t *state)
{
    return worker_repo_publish(&stage->repo, &stage->config, state, &ws->err, ws->pool);
}

static const char *lines_of(const workspace_t *ws)
{
    return strchr(workspace_read(ws, LIST), '\n') + 1;
}

static void a_list_that_cannot_be_published_is_an_error(void **state)
{
    workspace_t *ws = *state;
    stage_t stage = open_stage(ws);

    assert_int_equal(publish(ws, &stage, &first), APR_ENOENT);
    workspace_write(ws, "spool/packages", "a file");
    assert_int_not_equal(publish(ws, &stage, &first), APR_SUCCESS);
    assert_int_not_equal(
        worker_repo_publish_none(&stage.config, RELEASE, &second, &ws->err, ws->pool), APR_SUCCESS);
}

static void packages_that_are_used_are_published(void **state)
{
    workspace_t *ws = *state;
    stage_t stage = open_stage(ws);

    workspace_make_dir(ws, "spool");
    put(ws, &stage, "tiny", "1", NULL);
    put(ws, &stage, "bad", NULL, "it is not signed");
    put(ws, &stage, "evil\nbash-1-1.x86_64 0", "0", NULL);
    put(ws, &stage, "../evil", "0", NULL);
    put(ws, &stage, "a", "", NULL);
    assert_int_equal(publish(ws, &stage, &first), APR_SUCCESS);
    assert_string_equal(lines_of(ws), "a-1.0-1.fc36.x86_64 0\ntiny-1.0-1.fc36.x86_64 1\n");
    assert_int_equal(workspace_mode(ws, LIST), 0640);
}

static void an_index_that_has_not_changed_is_published_once(void **state)
{
    workspace_t *ws = *state;
    stage_t stage = open_stage(ws);

    workspace_make_dir(ws, "spool");
    put(ws, &stage, "tiny", "1", NULL);
    assert_int_equal(publish(ws, &stage, &first), APR_SUCCESS);
    stage = open_stage(ws);
    workspace_shell(ws, "touch -d 2020-01-01 " LIST "; stat -c %i " LIST " > before");
    assert_int_equal(publish(ws, &stage, &first), APR_SUCCESS);
    workspace_shell(ws, "stat -c %i " LIST " | cmp - before");
    workspace_shell(ws, "test \"$(find " LIST " -mmin -5)\"");
}

static void another_state_a_change_and_damage_are_published(void **state)
{
    workspace_t *ws = *state;
    stage_t stage = open_stage(ws);

    workspace_make_dir(ws, "spool");
    put(ws, &stage, "tiny", "1", NULL);
    assert_int_equal(publish(ws, &stage, &first), APR_SUCCESS);
    stage = open_stage(ws);
    assert_int_equal(publish(ws, &stage, &second), APR_SUCCESS);
    assert_non_null(strstr(workspace_read(ws, LIST), second.text));
    workspace_write(ws, LIST, "garbage");
    assert_int_equal(publish(ws, &stage, &second), APR_SUCCESS);
    assert_string_equal(lines_of(ws), "tiny-1.0-1.fc36.x86_64 1\n");
    assert_int_equal(worker_index_remove(stage.repo.index, "tiny.rpm", &ws->err), APR_SUCCESS);
    assert_int_equal(publish(ws, &stage, &second), APR_SUCCESS);
    assert_string_equal(lines_of(ws), "");
}

static void what_would_be_fetched_is_published_when_that_is_on(void **state)
{
    static const char *const names[] = { "tiny", "bad", "far" };
    workspace_t *ws = *state;
    stage_t stage = open_stage(ws);

    workspace_make_dir(ws, "spool");
    put(ws, &stage, "tiny", "", NULL);
    put(ws, &stage, "bad", NULL, "it is not signed");
    put_remote(ws, &stage, names, 3);
    assert_int_equal(publish(ws, &stage, &first), APR_SUCCESS);
    assert_string_equal(lines_of(ws), "tiny-1.0-1.fc36.x86_64 0\n");
    stage = open_stage(ws);
    stage.config.fetch_on_demand = true;
    assert_int_equal(publish(ws, &stage, &second), APR_SUCCESS);
    assert_string_equal(lines_of(ws), "far-1.0-1.fc36.x86_64 0\ntiny-1.0-1.fc36.x86_64 0\n");
    stage.config.fetch_on_demand = false;
    assert_int_equal(publish(ws, &stage, &first), APR_SUCCESS);
    assert_string_equal(lines_of(ws), "tiny-1.0-1.fc36.x86_64 0\n");
}

static void only_a_fault_of_the_repository_empties_its_list(void **state)
{
    static const apr_status_t its[] = { APR_ENOENT, APR_EINVAL, APR_EACCES };
    static const apr_status_t others[] = { APR_ENOSPC, APR_EMFILE, APR_EGENERAL, APR_EBUSY,
                                           APR_ENOMEM, EIO,        ESTALE,       EROFS,
                                           ENFILE,     EDQUOT,     APR_SUCCESS };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(its) / sizeof(its[0]); i++) {
        assert_true(worker_repo_is_at_fault(its[i]));
    }
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(worker_repo_is_at_fault(others[i]));
    }
}

static void what_cannot_be_opened_has_an_empty_list(void **state)
{
    workspace_t *ws = *state;
    stage_t stage = open_stage(ws);

    workspace_make_dir(ws, "spool");
    put(ws, &stage, "tiny", "1", NULL);
    assert_int_equal(publish(ws, &stage, &first), APR_SUCCESS);
    assert_int_equal(worker_repo_publish_none(&stage.config, RELEASE, &second, &ws->err, ws->pool),
                     APR_SUCCESS);
    assert_string_equal(lines_of(ws), "");
    assert_non_null(strstr(workspace_read(ws, LIST), second.text));
    assert_int_equal(worker_repo_publish_none(&stage.config, "a-b-c", &first, &ws->err, ws->pool),
                     APR_SUCCESS);
    assert_string_equal(workspace_read(ws, "spool/packages/a-b-c"),
                        "retrace-packages 1 0 1.000000000.1\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_list_that_cannot_be_published_is_an_error),
        TEST(packages_that_are_used_are_published),
        TEST(an_index_that_has_not_changed_is_published_once),
        TEST(another_state_a_change_and_damage_are_published),
        TEST(what_would_be_fetched_is_published_when_that_is_on),
        TEST(only_a_fault_of_the_repository_empties_its_list),
        TEST(what_cannot_be_opened_has_an_empty_list),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
