/* SPDX-License-Identifier: Apache-2.0 */
/* Control groups: version 2 on a made-up directory tree, version 1 on the real one, used by an
 * ordinary user after root has handed a group over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/cgroup.h"

#define MIB         (INT64_C(1) << 20)
#define TEST_USER   "retrace"
#define CONTROLLERS 3

typedef struct fixture_t {
    apr_pool_t *pool;
    char root[64];
} fixture_t;

static apr_pool_t *pool_of(void **state)
{
    return ((fixture_t *)*state)->pool;
}

/* --- version 2, made up ------------------------------------------------------------------------
 */

static const char *path_in(void **state, const char *path)
{
    return apr_pstrcat(pool_of(state), ((fixture_t *)*state)->root, path, NULL);
}

static void make_file(void **state, const char *path, const char *text)
{
    FILE *file = fopen(path_in(state, path), "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void make_dir(void **state, const char *path)
{
    assert_int_equal(mkdir(path_in(state, path), 0755), 0);
}

static void expect_file(void **state, const char *path, const char *text)
{
    char content[256] = "";
    FILE *file = fopen(path_in(state, path), "r");

    assert_non_null(file);
    assert_true(fread(content, 1, sizeof(content) - 1, file) > 0 || text[0] == '\0');
    fclose(file);
    assert_string_equal(content, text);
}

/* A group /retrace with controllers, below a root where version 2 is at `top`. The group of the
 * task is there already, as files do not appear by themselves here. */
static void make_tree(void **state, const char *top, const char *controllers)
{
    static const char *const files[][2] = {
        { "/cgroup.procs", "" },       { "/memory.max", "max" },
        { "/memory.swap.max", "max" }, { "/pids.max", "max" },
        { "/memory.oom.group", "0" },  { "/cgroup.kill", "" },
        { "/memory.peak", "4096\n" },  { "/memory.events", "low 0\noom 0\noom_kill 2\n" }
    };
    apr_pool_t *p = pool_of(state);
    size_t i;

    if (top[0] != '\0') {
        make_dir(state, top);
    }
    make_dir(state, apr_pstrcat(p, top, "/retrace", NULL));
    make_dir(state, apr_pstrcat(p, top, "/retrace/7", NULL));
    make_file(state, apr_pstrcat(p, top, "/cgroup.controllers", NULL), controllers);
    make_file(state, apr_pstrcat(p, top, "/retrace/cgroup.controllers", NULL), controllers);
    make_file(state, apr_pstrcat(p, top, "/retrace/cgroup.subtree_control", NULL), "");
    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        make_file(state, apr_pstrcat(p, top, "/retrace/7", files[i][0], NULL), files[i][1]);
    }
}

static void test_v2_limits(void **state)
{
    worker_cgroup_t *group = NULL;

    make_tree(state, "", "cpuset cpu io memory pids\n");
    assert_int_equal(worker_cgroup_create(&group, path_in(state, ""), "/retrace", "7", 64 * MIB, 20,
                                          NULL, pool_of(state)),
                     APR_SUCCESS);
    expect_file(state, "/retrace/cgroup.subtree_control", "+memory +pids");
    expect_file(state, "/retrace/7/memory.max", "67108864");
    expect_file(state, "/retrace/7/memory.swap.max", "0");
    expect_file(state, "/retrace/7/memory.oom.group", "1");
    expect_file(state, "/retrace/7/pids.max", "20");
    expect_file(state, "/retrace/7/cgroup.procs", "0");
    assert_int_equal(worker_cgroup_peak_bytes(group), 4096);
    worker_cgroup_destroy(group);
    expect_file(state, "/retrace/7/cgroup.kill", "1");
}

/* Only what happens after the group was made counts. */
static void test_v2_oom(void **state)
{
    worker_cgroup_t *group = NULL;

    make_tree(state, "", "memory pids\n");
    assert_int_equal(worker_cgroup_create(&group, path_in(state, ""), "/retrace", "7", 64 * MIB, 20,
                                          NULL, pool_of(state)),
                     APR_SUCCESS);
    assert_false(worker_cgroup_was_oom(group));
    make_file(state, "/retrace/7/memory.events", "oom 3\noom_group_kill 1\noom_kill 3\n");
    assert_true(worker_cgroup_was_oom(group));
    worker_cgroup_destroy(group);
}

static void test_v2_beside_v1(void **state)
{
    worker_cgroup_t *group = NULL;

    make_tree(state, "/unified", "memory pids\n");
    assert_int_equal(worker_cgroup_create(&group, path_in(state, ""), "/retrace", "7", MIB, 3, NULL,
                                          pool_of(state)),
                     APR_SUCCESS);
    expect_file(state, "/unified/retrace/7/pids.max", "3");
    worker_cgroup_destroy(group);
}

static void expect_none(void **state, const char *path, const char *reason)
{
    worker_cgroup_t *group = NULL;
    retrace_error_t err = { 0, "" };

    assert_int_equal(
        worker_cgroup_create(&group, path_in(state, ""), path, "7", MIB, 3, &err, pool_of(state)),
        APR_ENOTIMPL);
    assert_null(group);
    assert_non_null(strstr(err.text, reason));
}

static void test_v2_without_controllers(void **state)
{
    make_tree(state, "", "cpu io\n");
    expect_none(state, "/retrace", "has no memory and pids controllers");
    expect_none(state, "/other", "is not ours");
    expect_none(state, "/../x", "is not the path");
    expect_none(state, "retrace", "is not the path");
}

static void test_v2_limit_that_is_refused(void **state)
{
    make_tree(state, "", "memory pids\n");
    unlink(path_in(state, "/retrace/7/memory.max"));
    expect_none(state, "/retrace", "cannot limit the memory");
}

static void test_no_groups_at_all(void **state)
{
    expect_none(state, NULL, "need a CgroupPath");
    expect_none(state, "/retrace", "is not ours");
}

static void test_names(void **state)
{
    static const char *const names[] = { "", ".", "..", "a/b" };
    worker_cgroup_t *group = NULL;
    size_t i;

    make_tree(state, "", "memory pids\n");
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_int_equal(worker_cgroup_create(&group, path_in(state, ""), "/retrace", names[i], MIB,
                                              3, NULL, pool_of(state)),
                         APR_EINVAL);
    }
}

/* --- version 1, real ---------------------------------------------------------------------------
 */

static const char *const controllers[CONTROLLERS] = { "memory", "pids", "freezer" };

static void v1_path(char *path, size_t size, int i)
{
    snprintf(path, size, WORKER_CGROUP_ROOT "/%s/retrace-test-%d", controllers[i], (int)getppid());
}

/* In a child that is the test user, where cmocka cannot jump out: 0 when all is well. */
#define CHECK(claim)                                                                               \
    do {                                                                                           \
        if (!(claim)) {                                                                            \
            print_message("%s:%d: not so: %s\n", __FILE__, __LINE__, #claim);                      \
            return 1;                                                                              \
        }                                                                                          \
    }                                                                                              \
    while (0)

static worker_cgroup_t *open_group(apr_pool_t *p, const char *name, int64_t bytes,
                                   unsigned int processes)
{
    const char *path = apr_psprintf(p, "/retrace-test-%d", (int)getppid());
    worker_cgroup_t *group = NULL;
    retrace_error_t err = { 0, "" };

    if (worker_cgroup_create(&group, WORKER_CGROUP_ROOT, path, name, bytes, processes, &err, p)
        != APR_SUCCESS) {
        print_message("%s\n", err.text);
    }
    return group;
}

static int end_of(pid_t pid)
{
    int status = -1;

    waitpid(pid, &status, 0);
    return status;
}

static int check_memory(apr_pool_t *p)
{
    worker_cgroup_t *group = open_group(p, "memory", 32 * MIB, 10);
    int64_t peak;
    int status;
    pid_t pid;

    CHECK(group != NULL);
    pid = fork();
    if (pid == 0) {
        volatile char *food = malloc(128 * MIB);
        int64_t i;

        worker_cgroup_enter(group, 0);
        for (i = 0; i < 128 * MIB; i += 4096) {
            food[i] = 1;
        }
        _exit(0);
    }
    status = end_of(pid);
    peak = worker_cgroup_peak_bytes(group);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK(worker_cgroup_was_oom(group));
    CHECK(peak > 16 * MIB && peak <= 32 * MIB);
    worker_cgroup_destroy(group);
    return 0;
}

static void fork_until_refused(const worker_cgroup_t *group)
{
    int count = 0;

    worker_cgroup_enter(group, 0);
    while (count < 100) {
        pid_t pid = fork();

        if (pid == 0) {
            pause();
        }
        if (pid < 0) {
            _exit(count);
        }
        count++;
    }
    _exit(200);
}

static int check_processes(apr_pool_t *p)
{
    worker_cgroup_t *group = open_group(p, "processes", 64 * MIB, 12);
    int status;
    pid_t pid;
    char path[128];

    CHECK(group != NULL);
    v1_path(path, sizeof(path), 1);
    strcat(path, "/processes");
    CHECK(access(path, F_OK) == 0);
    pid = fork();
    if (pid == 0) {
        fork_until_refused(group);
    }
    status = end_of(pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 11);
    CHECK(!worker_cgroup_was_oom(group));
    /* eleven processes are left in it */
    worker_cgroup_destroy(group);
    CHECK(access(path, F_OK) != 0);
    return 0;
}

/* What a worker that was killed has left is replaced. */
static int check_replacement(apr_pool_t *p)
{
    worker_cgroup_t *first = open_group(p, "again", 64 * MIB, 10);
    worker_cgroup_t *second;
    int status;
    pid_t pid;

    CHECK(first != NULL);
    pid = fork();
    if (pid == 0) {
        worker_cgroup_enter(first, 0);
        pause();
        _exit(0);
    }
    CHECK(worker_cgroup_enter(first, pid));
    second = open_group(p, "again", 64 * MIB, 10);
    CHECK(second != NULL);
    status = end_of(pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    worker_cgroup_destroy(second);
    worker_cgroup_destroy(first);
    return 0;
}

/* The pool takes the group with it. */
static int check_pool(apr_pool_t *p)
{
    apr_pool_t *below;
    char path[128];

    apr_pool_create(&below, p);
    CHECK(open_group(below, "pool", 64 * MIB, 10) != NULL);
    v1_path(path, sizeof(path), 0);
    strcat(path, "/pool");
    CHECK(access(path, F_OK) == 0);
    apr_pool_destroy(below);
    CHECK(access(path, F_OK) != 0);
    return 0;
}

static void become(const struct passwd *user)
{
    if (setgroups(0, NULL) != 0 || setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0
        || setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0) {
        _exit(255);
    }
}

static bool hand_over(const struct passwd *user, bool *made)
{
    char path[128];
    char file[160];
    int i;

    for (i = 0; i < CONTROLLERS; i++) {
        snprintf(path, sizeof(path), WORKER_CGROUP_ROOT "/%s/retrace-test-%d", controllers[i],
                 (int)getpid());
        snprintf(file, sizeof(file), "%s/cgroup.procs", path);
        made[i] = mkdir(path, 0755) == 0;
        if (!made[i] || chown(path, user->pw_uid, user->pw_gid) != 0
            || chown(file, user->pw_uid, user->pw_gid) != 0) {
            return false;
        }
    }
    return true;
}

/* A check that failed may have left groups in ours. */
static void take_back(const bool *made)
{
    char path[128];
    char command[320];
    int i;

    for (i = 0; i < CONTROLLERS; i++) {
        snprintf(path, sizeof(path), WORKER_CGROUP_ROOT "/%s/retrace-test-%d", controllers[i],
                 (int)getpid());
        if (made[i] && rmdir(path) != 0) {
            snprintf(command, sizeof(command), "rmdir %s/*/ %s", path, path);
            assert_int_equal(system(command), 0);
        }
    }
}

static void run_as_user(void **state, int (*check)(apr_pool_t *))
{
    const struct passwd *user = getpwnam(TEST_USER);
    bool made[CONTROLLERS] = { false };
    int status;
    pid_t pid;

    if (getuid() != 0 || user == NULL) {
        print_message("only root can hand a group over to user " TEST_USER "\n");
        skip();
    }
    if (access(WORKER_CGROUP_ROOT "/memory/cgroup.procs", F_OK) != 0) {
        print_message("this machine has no control groups of version 1\n");
        skip();
    }
    assert_true(hand_over(user, made));
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        become(user);
        _exit(check(pool_of(state)));
    }
    status = end_of(pid);
    take_back(made);
    assert_int_equal(status, 0);
}

static void test_v1_memory(void **state)
{
    run_as_user(state, check_memory);
}

static void test_v1_processes(void **state)
{
    run_as_user(state, check_processes);
}

static void test_v1_replacement(void **state)
{
    run_as_user(state, check_replacement);
}

static void test_v1_pool(void **state)
{
    run_as_user(state, check_pool);
}

static int set_up(void **state)
{
    fixture_t *fixture = calloc(1, sizeof(*fixture));

    apr_pool_create(&fixture->pool, NULL);
    snprintf(fixture->root, sizeof(fixture->root), "/tmp/test_cgroup.XXXXXX");
    *state = fixture;
    return mkdtemp(fixture->root) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    fixture_t *fixture = *state;
    char command[128];

    apr_pool_destroy(fixture->pool);
    snprintf(command, sizeof(command), "rm -rf %s", fixture->root);
    free(fixture);
    return system(command);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_v2_limits),
        TEST(test_v2_oom),
        TEST(test_v2_beside_v1),
        TEST(test_v2_without_controllers),
        TEST(test_v2_limit_that_is_refused),
        TEST(test_no_groups_at_all),
        TEST(test_names),
        TEST(test_v1_memory),
        TEST(test_v1_processes),
        TEST(test_v1_replacement),
        TEST(test_v1_pool),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
