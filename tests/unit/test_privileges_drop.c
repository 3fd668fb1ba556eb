/* SPDX-License-Identifier: Apache-2.0 */
/* A drop is for good, and its proof finds every way back that was left open. Each case runs in a
 * child, which becomes another user. */
#include <grp.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <cmocka.h>

#include "lib/privileges.h"
#include "tests/unit/workspace.h"

static void require_root(void)
{
    if (geteuid() != 0) {
        print_message("skipped: only root has privileges to drop\n");
        skip();
    }
}

static const struct passwd *find_user(void)
{
    const struct passwd *user = getpwnam("retrace");

    user = user != NULL ? user : getpwnam("nobody");
    assert_non_null(user);
    return user;
}

static int drop_to_user(void *baton)
{
    const struct passwd *user = baton;
    const gid_t groups[] = { 0, 1, 33 };

    if (setgroups(3, groups) != 0) {
        return 9;
    }
    if (!retrace_privileges_drop(user->pw_uid, user->pw_gid)) {
        return 1;
    }
    if (!retrace_privileges_are_dropped(user->pw_uid, user->pw_gid)) {
        return 2;
    }
    return setuid(0) == 0 || setgid(0) == 0 || seteuid(0) == 0 || setgroups(1, groups) == 0
            || getgroups(0, NULL) != 0
        ? 3
        : 0;
}

static void root_becomes_a_user_for_good(void **state)
{
    struct passwd user;

    (void)state;
    require_root();
    user = *find_user();
    assert_int_equal(workspace_child(drop_to_user, &user), 0);
}

static int drop_halfway(void *baton)
{
    const struct passwd *user = baton;

    /* The saved ids are still root's: the way back is open. */
    if (setgroups(0, NULL) != 0 || setegid(user->pw_gid) != 0 || seteuid(user->pw_uid) != 0) {
        return 9;
    }
    return retrace_privileges_are_dropped(user->pw_uid, user->pw_gid) ? 1 : 0;
}

static void effective_ids_alone_are_no_drop(void **state)
{
    struct passwd user;

    (void)state;
    require_root();
    user = *find_user();
    assert_int_equal(workspace_child(drop_halfway, &user), 0);
}

static int keep_a_group(void *baton)
{
    const struct passwd *user = baton;
    const gid_t group = 33;

    if (setgroups(1, &group) != 0 || setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0
        || setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0) {
        return 9;
    }
    return retrace_privileges_are_dropped(user->pw_uid, user->pw_gid) ? 1 : 0;
}

static void a_supplementary_group_is_no_drop(void **state)
{
    struct passwd user;

    (void)state;
    require_root();
    user = *find_user();
    assert_int_equal(workspace_child(keep_a_group, &user), 0);
}

static int keep_capabilities(void *baton)
{
    const struct passwd *user = baton;

    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || setgroups(0, NULL) != 0
        || setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0
        || setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0) {
        return 9;
    }
    return retrace_privileges_are_dropped(user->pw_uid, user->pw_gid) ? 1 : 0;
}

static void kept_capabilities_are_no_drop(void **state)
{
    struct passwd user;

    (void)state;
    require_root();
    user = *find_user();
    assert_int_equal(workspace_child(keep_capabilities, &user), 0);
}

static int drop_to_root(void *baton)
{
    (void)baton;
    return retrace_privileges_drop(0, 0) ? 1 : 0;
}

static void root_is_nobody_to_drop_to(void **state)
{
    (void)state;
    assert_int_equal(workspace_child(drop_to_root, NULL), 0);
}

static int prove_another_user(void *baton)
{
    (void)baton;
    if (geteuid() == 0
        && (setresgid(65534, 65534, 65534) != 0 || setgroups(0, NULL) != 0
            || setresuid(65534, 65534, 65534) != 0)) {
        return 9;
    }
    return retrace_privileges_are_dropped(getuid() + 1, getgid())
            || retrace_privileges_are_dropped(getuid(), getgid() + 1)
        ? 1
        : 0;
}

static void the_proof_is_for_one_user_and_group(void **state)
{
    (void)state;
    assert_int_equal(workspace_child(prove_another_user, NULL), 0);
}

static void root_has_not_dropped(void **state)
{
    (void)state;
    require_root();
    assert_false(retrace_privileges_are_dropped(0, 0));
    assert_false(retrace_privileges_are_dropped(65534, 65534));
    assert_int_equal(geteuid(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_becomes_a_user_for_good),
        cmocka_unit_test(effective_ids_alone_are_no_drop),
        cmocka_unit_test(a_supplementary_group_is_no_drop),
        cmocka_unit_test(kept_capabilities_are_no_drop),
        cmocka_unit_test(root_is_nobody_to_drop_to),
        cmocka_unit_test(the_proof_is_for_one_user_and_group),
        cmocka_unit_test(root_has_not_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
