/* SPDX-License-Identifier: Apache-2.0 */
/* Small files and trees: nothing is half written, nothing follows a link. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "lib/fs.h"
#include "tests/unit/workspace.h"

/* --- Directories --------------------------------------------------------------------------- */

static void expect_no_dir(workspace_t *ws, const char *name, apr_status_t status)
{
    int fd = -7;

    assert_int_equal(retrace_fs_open_dir(&fd, ws->dir, name, &ws->err), status);
    assert_int_equal(fd, -7);
    assert_non_null(strstr(ws->err.text, name));
}

static void only_a_directory_is_opened_as_one(void **state)
{
    workspace_t *ws = *state;

    workspace_make_dir(ws, "dir");
    workspace_write(ws, "file", "");
    workspace_link(ws, "dir", "link");
    workspace_fifo(ws, "fifo");
    expect_no_dir(ws, "none", ENOENT);
    expect_no_dir(ws, "file", ENOTDIR);
    expect_no_dir(ws, "link", ENOTDIR);
    expect_no_dir(ws, "fifo", ENOTDIR);
}

static void an_open_directory_is_not_inherited(void **state)
{
    workspace_t *ws = *state;
    int fd = -1;

    assert_int_equal(retrace_fs_open_dir(&fd, AT_FDCWD, ws->path, &ws->err), APR_SUCCESS);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    (void)close(fd);
}

static void a_directory_is_made_once_and_opened_again(void **state)
{
    workspace_t *ws = *state;
    int fd = -1;
    int i;

    for (i = 0; i < 2; i++) {
        assert_int_equal(retrace_fs_make_dir(&fd, ws->dir, "new", 0700, &ws->err), APR_SUCCESS);
        (void)close(fd);
    }
    assert_int_equal(workspace_mode(ws, "new"), 0700);
}

static void what_is_in_the_way_is_not_taken_for_the_directory(void **state)
{
    workspace_t *ws = *state;
    int fd = -7;

    workspace_write(ws, "file", "");
    workspace_link(ws, ".", "link");
    assert_int_equal(retrace_fs_make_dir(&fd, ws->dir, "file", 0700, &ws->err), ENOTDIR);
    assert_int_equal(retrace_fs_make_dir(&fd, ws->dir, "link", 0700, &ws->err), ENOTDIR);
    assert_int_equal(fd, -7);
}

/* --- Reading ------------------------------------------------------------------------------- */

static void expect_unread(workspace_t *ws, const char *name, apr_size_t max, apr_status_t status)
{
    const char *text = "untouched";
    apr_size_t length = 7;

    assert_int_equal(retrace_fs_read(&text, &length, ws->dir, name, max, &ws->err, ws->pool),
                     status);
    assert_string_equal(text, "untouched");
    assert_int_equal(length, 7);
    assert_non_null(strstr(ws->err.text, name));
}

static void a_file_is_read_up_to_the_limit(void **state)
{
    workspace_t *ws = *state;
    const char *text = NULL;
    apr_size_t length = 0;

    workspace_write(ws, "file", "12345");
    assert_int_equal(retrace_fs_read(&text, &length, ws->dir, "file", 5, &ws->err, ws->pool),
                     APR_SUCCESS);
    assert_string_equal(text, "12345");
    assert_int_equal(length, 5);
}

static void a_file_one_byte_longer_than_the_limit_is_refused(void **state)
{
    workspace_write(*state, "file", "123456");
    expect_unread(*state, "file", 5, APR_EINVAL);
}

static void an_empty_file_reads_as_the_empty_text(void **state)
{
    workspace_t *ws = *state;
    const char *text = NULL;

    workspace_write(ws, "file", "");
    assert_int_equal(retrace_fs_read(&text, NULL, ws->dir, "file", 0, NULL, ws->pool), APR_SUCCESS);
    assert_string_equal(text, "");
}

static void what_is_no_regular_file_is_not_read(void **state)
{
    workspace_t *ws = *state;

    workspace_write(ws, "file", "secret");
    workspace_link(ws, "file", "link");
    workspace_make_dir(ws, "dir");
    expect_unread(ws, "none", 100, ENOENT);
    expect_unread(ws, "link", 100, ELOOP);
    expect_unread(ws, "dir", 100, APR_EINVAL);
}

static int read_fifo(void *baton)
{
    workspace_t *ws = baton;
    const char *text = NULL;

    (void)alarm(10);
    return retrace_fs_read(&text, NULL, ws->dir, "fifo", 100, NULL, ws->pool) == APR_EINVAL ? 0 : 1;
}

static void a_fifo_is_refused_at_once(void **state)
{
    workspace_fifo(*state, "fifo");
    assert_int_equal(workspace_child(read_fifo, *state), 0);
}

/* --- Replacing ----------------------------------------------------------------------------- */

static apr_status_t replace(workspace_t *ws, const char *name, const char *text, mode_t mode,
                            bool durable)
{
    return retrace_fs_replace(ws->dir, name, text, strlen(text), mode, durable, &ws->err);
}

static void a_file_is_replaced_by_another_file(void **state)
{
    workspace_t *ws = *state;
    struct stat before;
    struct stat after;

    assert_int_equal(replace(ws, "file", "old content", 0640, false), APR_SUCCESS);
    assert_int_equal(fstatat(ws->dir, "file", &before, 0), 0);
    assert_int_equal(replace(ws, "file", "new", 0640, true), APR_SUCCESS);
    assert_int_equal(fstatat(ws->dir, "file", &after, 0), 0);
    assert_string_equal(workspace_read(ws, "file"), "new");
    assert_int_not_equal(before.st_ino, after.st_ino);
    assert_int_equal(workspace_count(ws, "."), 1);
}

static void a_reader_of_the_old_file_keeps_it(void **state)
{
    workspace_t *ws = *state;
    char buffer[8] = "";
    int fd;

    workspace_write(ws, "file", "old");
    fd = openat(ws->dir, "file", O_RDONLY | O_CLOEXEC);
    assert_int_equal(replace(ws, "file", "brand new", 0640, false), APR_SUCCESS);
    assert_int_equal(read(fd, buffer, sizeof(buffer)), 3);
    assert_string_equal(buffer, "old");
    (void)close(fd);
}

static void the_new_file_has_the_mode_asked_for(void **state)
{
    workspace_t *ws = *state;

    workspace_write(ws, "file", "");
    assert_int_equal(replace(ws, "file", "x", 0640, false), APR_SUCCESS);
    assert_int_equal(workspace_mode(ws, "file"), 0640);
    assert_int_equal(replace(ws, "file", "x", 0600, false), APR_SUCCESS);
    assert_int_equal(workspace_mode(ws, "file"), 0600);
}

static void what_a_killed_writer_left_is_overwritten(void **state)
{
    workspace_t *ws = *state;

    workspace_write(ws, ".file.new", "much longer than what follows");
    assert_int_equal(replace(ws, "file", "short", 0640, false), APR_SUCCESS);
    assert_string_equal(workspace_read(ws, "file"), "short");
    assert_false(workspace_exists(ws, ".file.new"));
}

static void a_link_under_the_temporary_name_is_not_followed(void **state)
{
    workspace_t *ws = *state;

    workspace_write(ws, "victim", "untouched");
    workspace_link(ws, "victim", ".file.new");
    assert_int_equal(replace(ws, "file", "x", 0640, false), APR_SUCCESS);
    assert_string_equal(workspace_read(ws, "victim"), "untouched");
    assert_string_equal(workspace_read(ws, "file"), "x");
}

static void a_link_under_the_final_name_is_replaced_not_followed(void **state)
{
    workspace_t *ws = *state;

    workspace_write(ws, "victim", "untouched");
    workspace_link(ws, "victim", "file");
    assert_int_equal(replace(ws, "file", "x", 0640, false), APR_SUCCESS);
    assert_string_equal(workspace_read(ws, "victim"), "untouched");
    assert_string_equal(workspace_read(ws, "file"), "x");
}

static void a_directory_is_not_replaced(void **state)
{
    workspace_t *ws = *state;

    workspace_write(ws, "dir/file", "kept");
    assert_int_equal(replace(ws, "dir", "x", 0640, false), EISDIR);
    assert_string_equal(workspace_read(ws, "dir/file"), "kept");
    assert_false(workspace_exists(ws, ".dir.new"));
}

static void a_name_is_as_long_as_its_temporary_name_allows(void **state)
{
    workspace_t *ws = *state;
    char name[253];

    memset(name, 'n', sizeof(name));
    name[250] = '\0';
    assert_int_equal(replace(ws, name, "x", 0640, false), APR_SUCCESS);
    name[250] = 'n';
    name[251] = '\0';
    assert_int_equal(replace(ws, name, "x", 0640, false), ENAMETOOLONG);
    assert_int_equal(workspace_count(ws, "."), 1);
}

static int replace_on_a_full_disk(void *baton)
{
    static const struct rlimit limit = { 4, 4 };

    (void)signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) {
        return 9;
    }
    return replace(baton, "file", "longer than four", 0640, false) == EFBIG ? 0 : 1;
}

static void a_file_that_cannot_be_written_whole_leaves_the_old_one(void **state)
{
    workspace_t *ws = *state;

    workspace_write(ws, "file", "old");
    assert_int_equal(workspace_child(replace_on_a_full_disk, ws), 0);
    assert_string_equal(workspace_read(ws, "file"), "old");
    assert_int_equal(workspace_count(ws, "."), 1);
}

/* --- Removing ------------------------------------------------------------------------------ */

static void a_tree_is_removed_whole(void **state)
{
    workspace_t *ws = *state;

    workspace_write(ws, "tree/a/b/file", "");
    workspace_write(ws, "tree/.hidden", "");
    workspace_fifo(ws, "tree/a/fifo");
    workspace_make_dir(ws, "tree/empty");
    assert_int_equal(retrace_fs_remove(ws->dir, "tree", &ws->err), APR_SUCCESS);
    assert_int_equal(workspace_count(ws, "."), 0);
}

static void what_is_not_there_is_removed_already(void **state)
{
    workspace_t *ws = *state;

    assert_int_equal(retrace_fs_remove(ws->dir, "none", &ws->err), APR_SUCCESS);
}

static void links_are_removed_and_what_they_name_stays(void **state)
{
    workspace_t *ws = *state;

    workspace_write(ws, "victim/file", "kept");
    workspace_link(ws, "../victim", "tree/link");
    workspace_link(ws, workspace_path(ws, "victim"), "tree/a/absolute");
    workspace_link(ws, "victim", "top");
    assert_int_equal(retrace_fs_remove(ws->dir, "tree", &ws->err), APR_SUCCESS);
    assert_int_equal(retrace_fs_remove(ws->dir, "top", &ws->err), APR_SUCCESS);
    assert_string_equal(workspace_read(ws, "victim/file"), "kept");
    assert_int_equal(workspace_count(ws, "."), 1);
}

/* A directory with `depth` more within each other. */
static void make_deep(workspace_t *ws, int depth)
{
    const char *name = "deep";
    int i;

    for (i = 0; i < depth; i++) {
        name = apr_pstrcat(ws->pool, name, "/d", NULL);
    }
    workspace_make_dir(ws, name);
}

static void directories_are_removed_down_to_the_limit(void **state)
{
    workspace_t *ws = *state;

    make_deep(ws, RETRACE_FS_MAX_DEPTH);
    assert_int_equal(retrace_fs_remove(ws->dir, "deep", &ws->err), APR_SUCCESS);
    assert_false(workspace_exists(ws, "deep"));
}

static void a_tree_one_deeper_is_not_removed(void **state)
{
    workspace_t *ws = *state;

    make_deep(ws, RETRACE_FS_MAX_DEPTH + 1);
    assert_int_equal(retrace_fs_remove(ws->dir, "deep", &ws->err), ELOOP);
    assert_true(workspace_exists(ws, "deep"));
}

static void removing_leaves_no_descriptor_open(void **state)
{
    workspace_t *ws = *state;
    int before = workspace_descriptors();

    make_deep(ws, RETRACE_FS_MAX_DEPTH + 1);
    assert_int_equal(retrace_fs_remove(ws->dir, "deep", &ws->err), ELOOP);
    assert_int_equal(workspace_descriptors(), before);
}

static bool visit_two(void *baton, const char *name)
{
    assert_string_not_equal(name, ".");
    assert_string_not_equal(name, "..");
    return ++*(int *)baton < 2;
}

static void entries_are_visited_until_the_visitor_has_enough(void **state)
{
    workspace_t *ws = *state;
    int visited = 0;

    workspace_shell(ws, "touch a b .c");
    assert_int_equal(retrace_fs_each(ws->dir, visit_two, &visited, &ws->err), APR_SUCCESS);
    assert_int_equal(visited, 2);
    assert_int_equal(retrace_fs_each(-1, visit_two, &visited, &ws->err), EBADF);
}

/* log.txt is the shell's. */
static void entries_are_counted_up_to_the_limit(void **state)
{
    workspace_t *ws = *state;
    int before = workspace_descriptors();
    int count = -1;

    workspace_shell(ws, "touch a b .c");
    assert_int_equal(retrace_fs_count(&count, ws->dir, 5, &ws->err), APR_SUCCESS);
    assert_int_equal(count, 4);
    assert_int_equal(retrace_fs_count(&count, ws->dir, 4, &ws->err), APR_SUCCESS);
    assert_int_equal(count, 4);
    assert_int_equal(retrace_fs_count(&count, ws->dir, 3, &ws->err), APR_SUCCESS);
    assert_int_equal(count, 3);
    assert_int_equal(workspace_descriptors(), before);
}

static void free_space_is_told_or_minus_one(void **state)
{
    assert_true(retrace_fs_free_bytes(((workspace_t *)*state)->dir) >= 0);
    assert_int_equal(retrace_fs_free_bytes(-1), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_a_directory_is_opened_as_one),
        TEST(an_open_directory_is_not_inherited),
        TEST(a_directory_is_made_once_and_opened_again),
        TEST(what_is_in_the_way_is_not_taken_for_the_directory),
        TEST(a_file_is_read_up_to_the_limit),
        TEST(a_file_one_byte_longer_than_the_limit_is_refused),
        TEST(an_empty_file_reads_as_the_empty_text),
        TEST(what_is_no_regular_file_is_not_read),
        TEST(a_fifo_is_refused_at_once),
        TEST(a_file_is_replaced_by_another_file),
        TEST(a_reader_of_the_old_file_keeps_it),
        TEST(the_new_file_has_the_mode_asked_for),
        TEST(what_a_killed_writer_left_is_overwritten),
        TEST(a_link_under_the_temporary_name_is_not_followed),
        TEST(a_link_under_the_final_name_is_replaced_not_followed),
        TEST(a_directory_is_not_replaced),
        TEST(a_name_is_as_long_as_its_temporary_name_allows),
        TEST(a_file_that_cannot_be_written_whole_leaves_the_old_one),
        TEST(a_tree_is_removed_whole),
        TEST(what_is_not_there_is_removed_already),
        TEST(links_are_removed_and_what_they_name_stays),
        TEST(directories_are_removed_down_to_the_limit),
        TEST(a_tree_one_deeper_is_not_removed),
        TEST(removing_leaves_no_descriptor_open),
        TEST(entries_are_visited_until_the_visitor_has_enough),
        TEST(entries_are_counted_up_to_the_limit),
        TEST(free_space_is_told_or_minus_one),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
