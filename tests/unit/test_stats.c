/* SPDX-License-Identifier: Apache-2.0 */
/* helpers/dispatch/stats.h: what goes wrong with the database costs a line in the log, and neither
 * a task nor, once it is mended, a row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>

#include "helpers/dispatch/stats.h"
#include "helpers/dispatch/stats_inbox.h"
#include "tests/unit/stats_fixture.h"
#include "tests/unit/workspace.h"

#define ID      UINT32_C(123456789)
#define ID_TEXT "123456789"
#define ERROR   "spool/statistics/error"

static stats_t *make_stats(workspace_t *ws)
{
    retrace_config_t *config = apr_pcalloc(ws->pool, sizeof(*config));

    config->db_file = "stats.db";
    return stats_make(workspace_spool(ws), config, ws->pool);
}

static void record(stats_t *stats, workspace_t *ws, uint32_t id, int64_t now_s)
{
    stats_record(stats, stats_fixture_task(ws, id, true), now_s);
}

static long error_inode(workspace_t *ws)
{
    struct stat info;

    assert_int_equal(fstatat(ws->dir, ERROR, &info, 0), 0);
    return (long)info.st_ino;
}

/* --- Databases that cannot be used --------------------------------------------------------- */

/* Nothing is written but the reason and the id; the next attempt is not at once; and the first
 * chance that works catches up. */
static void expect_catching_up(workspace_t *ws, stats_t *stats, const char *sentence,
                               const char *mend)
{
    stats_fixture_write_task(ws, ID_TEXT);
    record(stats, ws, ID, 100);
    assert_non_null(strstr(workspace_read(ws, ERROR), sentence));
    assert_true(workspace_exists(ws, "spool/statistics/unrecorded/" ID_TEXT));
    stats_round(stats, true, 100);
    assert_false(workspace_exists(ws, "spool/statistics/stats.json"));

    workspace_shell(ws, mend);
    stats_round(stats, true, 100 + STATS_RETRY_S - 1);
    assert_true(workspace_exists(ws, "spool/statistics/unrecorded/" ID_TEXT));
    stats_round(stats, true, 100 + STATS_RETRY_S);
    assert_int_equal(workspace_count(ws, "spool/statistics/unrecorded"), 0);
    stats_fixture_expect(ws, "SELECT taskid, package FROM tasks", ID_TEXT "|bash\n");
    assert_true(workspace_exists(ws, "spool/statistics/stats.json"));
    assert_false(workspace_exists(ws, ERROR));
}

static void a_directory_in_place_of_the_database(void **state)
{
    workspace_t *ws = *state;
    stats_t *stats = make_stats(ws);

    workspace_make_dir(ws, "spool/stats.db");
    expect_catching_up(ws, stats, "open stats.db: Is a directory", "rmdir spool/stats.db");
}

static void a_symbolic_link_is_not_followed(void **state)
{
    workspace_t *ws = *state;
    stats_t *stats = make_stats(ws);

    workspace_link(ws, workspace_path(ws, "elsewhere"), "spool/stats.db");
    expect_catching_up(ws, stats, "open stats.db: ", "rm spool/stats.db");
    assert_false(workspace_exists(ws, "elsewhere"));
}

static void a_pipe_is_not_waited_for(void **state)
{
    workspace_t *ws = *state;
    stats_t *stats = make_stats(ws);

    workspace_fifo(ws, "spool/stats.db");
    expect_catching_up(ws, stats, "stats.db is not a regular file", "rm spool/stats.db");
}

static void a_spool_that_is_gone(void **state)
{
    workspace_t *ws = *state;
    stats_t *stats = make_stats(ws);

    workspace_shell(ws, "mv spool away");
    record(stats, ws, ID, 100);
    stats_round(stats, true, 100);
    assert_false(workspace_exists(ws, "spool"));
}

static void a_database_of_a_newer_version_is_left_alone(void **state)
{
    workspace_t *ws = *state;
    stats_t *stats = make_stats(ws);

    workspace_shell(ws, "sqlite3 spool/stats.db 'PRAGMA user_version = 2; CREATE TABLE future(a)'");
    expect_catching_up(ws, stats, "version 2", "rm spool/stats.db");
}

static void a_database_of_another_program_is_left_alone(void **state)
{
    workspace_t *ws = *state;
    stats_t *stats = make_stats(ws);

    workspace_shell(ws, "sqlite3 spool/stats.db 'CREATE TABLE tasks(theirs)'");
    expect_catching_up(ws, stats, "table tasks already exists",
                       "sqlite3 spool/stats.db 'SELECT theirs FROM tasks; DROP TABLE tasks'");
}

/* A trigger stands for the disk that is full in the middle of a task. */
static void a_full_disk_undoes_the_whole_task(void **state)
{
    workspace_t *ws = *state;
    stats_t *stats = make_stats(ws);

    stats_round(stats, true, 1);
    stats_fixture_shell(ws,
                        "CREATE TRIGGER full BEFORE INSERT ON missing BEGIN "
                        "SELECT RAISE(ABORT, 'database or disk is full'); END");
    workspace_shell(ws, "rm spool/statistics/stats.json");
    stats_fixture_write_task(ws, ID_TEXT);
    record(stats, ws, ID, 100);
    assert_non_null(strstr(workspace_read(ws, ERROR), "stats.db: "));
    stats_fixture_expect(ws, "SELECT count(*), (SELECT count(*) FROM package_time) FROM tasks",
                         "0|0\n");
    stats_fixture_expect(ws, "SELECT value FROM counters WHERE name = 'success'", "0\n");
    stats_round(stats, true, 100);
    stats_fixture_shell(ws, "DROP TRIGGER full");
    stats_round(stats, true, 100 + STATS_RETRY_S);
    stats_fixture_expect(ws, "SELECT taskid, missing FROM tasks", ID_TEXT "|1\n");
}

/* --- A database that somebody else holds --------------------------------------------------- */

/* The holder never lets go by itself: whoever would wait for it would wait for ever. */
static void a_held_lock_is_not_waited_for_again_and_again(void **state)
{
    workspace_t *ws = *state;
    stats_t *stats = make_stats(ws);
    pid_t holder;

    stats_round(stats, true, 1);
    workspace_shell(ws, "rm spool/statistics/stats.json");
    holder = stats_fixture_hold_lock(ws, "BEGIN EXCLUSIVE");
    stats_fixture_write_task(ws, ID_TEXT);
    record(stats, ws, ID, 100);
    assert_string_equal(workspace_read(ws, ERROR), "stats.db: database is locked");
    stats_fixture_release_lock(holder);

    /* It would work now, but is not tried. */
    record(stats, ws, ID + 1, 100 + STATS_RETRY_S - 1);
    assert_int_equal(workspace_count(ws, "spool/statistics/unrecorded"), 2);
    stats_round(stats, true, 100 + STATS_RETRY_S);
    /* The second one has no directory: there is nothing to record. */
    assert_int_equal(workspace_count(ws, "spool/statistics/unrecorded"), 0);
    stats_fixture_expect(ws, "SELECT taskid FROM tasks", ID_TEXT "\n");
}

static void a_round_leaves_nothing_open(void **state)
{
    workspace_t *ws = *state;
    stats_t *stats = make_stats(ws);
    int before = workspace_descriptors();

    record(stats, ws, ID, 100);
    stats_round(stats, true, 100);
    assert_int_equal(workspace_descriptors(), before);
    workspace_shell(ws, "rm spool/stats.db && mkdir spool/stats.db");
    record(stats, ws, ID, 200);
    stats_round(stats, true, 200);
    assert_int_equal(workspace_descriptors(), before);
}

/* --- A database that is damaged ------------------------------------------------------------ */

static void expect_a_new_one(workspace_t *ws, stats_t *stats, const char *sentence)
{
    record(stats, ws, ID, 100);
    assert_non_null(strstr(workspace_read(ws, ERROR), sentence));
    stats_round(stats, true, 100);
    stats_fixture_expect(ws, "SELECT taskid FROM tasks", ID_TEXT "\n");
    workspace_shell(ws, "test $(ls spool | grep -c 'stats.db.corrupt-[0-9]*$') = 1");
    assert_false(workspace_exists(ws, "spool/statistics/unrecorded"));
}

static void garbage_is_set_aside(void **state)
{
    workspace_t *ws = *state;
    stats_t *stats = make_stats(ws);

    workspace_write(ws, "spool/stats.db",
                    "This is a text, and a text of some length at that: "
                    "it has more than the hundred bytes of a header.");
    expect_a_new_one(ws, stats, "stats.db: file is not a database; it is kept as");
    workspace_shell(ws, "grep -q 'This is a text' spool/stats.db.corrupt-*");
}

static void a_truncated_database_is_set_aside(void **state)
{
    workspace_t *ws = *state;
    stats_t *stats = make_stats(ws);

    record(stats, ws, ID + 1, 1);
    stats_round(stats, true, 1);
    workspace_shell(ws, "truncate -s 9000 spool/stats.db");
    expect_a_new_one(ws, stats, "stats.db: database disk image is malformed; it is kept as");
}

static void damage_behind_the_header_is_met_when_it_is_met(void **state)
{
    workspace_t *ws = *state;
    stats_t *stats = make_stats(ws);

    record(stats, ws, ID + 1, 1);
    stats_round(stats, true, 1);
    workspace_shell(ws,
                    "size=$(stat -c %s spool/stats.db) && yes damage | head -c $((size - 20480))"
                    " | dd of=spool/stats.db bs=4096 seek=5 conv=notrunc");
    expect_a_new_one(ws, stats, "malformed; it is kept as");
}

static void only_the_last_damaged_one_is_kept(void **state)
{
    workspace_t *ws = *state;
    stats_t *stats = make_stats(ws);

    workspace_write(ws, "spool/stats.db.corrupt-1", "older");
    workspace_write(ws, "spool/stats.db.corruption", "somebody else's");
    workspace_write(ws, "spool/stats.db-journal", "of the damaged one");
    workspace_write(ws, "spool/stats.db",
                    "This is no database, and longer than a hundred bytes: "
                    "otherwise it would be taken for one that is empty.");
    expect_a_new_one(ws, stats, "file is not a database");
    assert_false(workspace_exists(ws, "spool/stats.db.corrupt-1"));
    assert_true(workspace_exists(ws, "spool/stats.db.corruption"));
    assert_false(workspace_exists(ws, "spool/stats.db-journal"));
}

/* --- Telling ------------------------------------------------------------------------------- */

/* The error file is written when, and only when, the log gets its line. */
static void a_failure_is_told_once_a_minute(void **state)
{
    workspace_t *ws = *state;
    stats_t *stats = make_stats(ws);
    long first;

    workspace_make_dir(ws, "spool/stats.db");
    record(stats, ws, ID, 100);
    first = error_inode(ws);
    workspace_shell(ws, "touch -d '10 minutes ago' " ERROR);
    record(stats, ws, ID, 100 + STATS_LOG_S - 1);
    assert_int_equal(error_inode(ws), first);
    record(stats, ws, ID, 100 + STATS_LOG_S - 1 + STATS_RETRY_S);
    assert_int_not_equal(error_inode(ws), first);
}

static void another_dispatcher_does_not_tell_it_again(void **state)
{
    workspace_t *ws = *state;
    const retrace_spool_t *spool = workspace_spool(ws);
    retrace_config_t config = { .db_file = "stats.db" };
    long first;

    workspace_make_dir(ws, "spool/stats.db");
    record(stats_make(spool, &config, ws->pool), ws, ID, 100);
    first = error_inode(ws);
    record(stats_make(spool, &config, ws->pool), ws, ID, 100);
    assert_int_equal(error_inode(ws), first);
    workspace_shell(ws, "touch -d '61 seconds ago' " ERROR);
    record(stats_make(spool, &config, ws->pool), ws, ID, 100);
    assert_int_not_equal(error_inode(ws), first);
}

static void tasks_that_wait_for_the_database_have_a_limit(void **state)
{
    workspace_t *ws = *state;
    stats_t *stats = make_stats(ws);

    workspace_make_dir(ws, "spool/stats.db");
    workspace_make_dir(ws, "spool/statistics/unrecorded");
    workspace_shell(ws, "cd spool/statistics/unrecorded && seq 200000001 200000999 | xargs touch");
    record(stats, ws, ID, 100);
    assert_int_equal(workspace_count(ws, "spool/statistics/unrecorded"), STATS_MAX_UNRECORDED);
    record(stats, ws, ID + 1, 101);
    assert_int_equal(workspace_count(ws, "spool/statistics/unrecorded"), STATS_MAX_UNRECORDED);
}

static void catching_up_does_not_hold_up_a_round(void **state)
{
    workspace_t *ws = *state;
    stats_t *stats = make_stats(ws);

    workspace_make_dir(ws, "spool/statistics/unrecorded");
    stats_fixture_write_task(ws, "200000001");
    workspace_shell(ws,
                    "cd spool && for i in $(seq 200000002 200000101); do "
                    "cp -r 200000001 $i; done && cd statistics/unrecorded && "
                    "seq 200000001 200000101 | xargs touch && touch other");
    stats_round(stats, false, 100);
    stats_fixture_expect(ws, "SELECT count(*) FROM tasks", "100\n");
    assert_int_equal(workspace_count(ws, "spool/statistics/unrecorded"), 2);
    stats_round(stats, true, 101);
    stats_fixture_expect(ws, "SELECT count(*) FROM tasks", "101\n");
    assert_int_equal(workspace_count(ws, "spool/statistics/unrecorded"), 1);
}

/* --- What it leaves ------------------------------------------------------------------------ */

static void a_fresh_spool_gets_a_private_database_and_files_for_httpd(void **state)
{
    static const char *const files[] = { "spool/stats.db", "spool/statistics/estimates",
                                         "spool/statistics/metrics",
                                         "spool/statistics/stats.json" };
    workspace_t *ws = *state;
    stats_t *stats = make_stats(ws);
    mode_t mask = umask(022);
    size_t i;

    workspace_shell(ws, "chmod 2750 spool");
    stats_round(stats, true, 1);
    (void)umask(mask);
    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        assert_int_equal(workspace_mode(ws, files[i]), 0640);
    }
    assert_int_equal(workspace_mode(ws, "spool/statistics"), 02750);
    stats_fixture_expect(ws, "PRAGMA user_version", "1\n");
    stats_fixture_expect(ws, "PRAGMA journal_mode", "delete\n");
    assert_false(workspace_exists(ws, "spool/stats.db-journal"));
}

static void files_are_not_replaced_at_each_task_while_there_is_work(void **state)
{
    workspace_t *ws = *state;
    stats_t *stats = make_stats(ws);

    record(stats, ws, ID, 100);
    stats_round(stats, false, 100);
    assert_non_null(strstr(workspace_read(ws, "spool/statistics/stats.json"), "\"tasks\":1,"));
    record(stats, ws, ID + 1, 101);
    stats_round(stats, false, 100 + STATS_PUBLISH_S - 1);
    assert_non_null(strstr(workspace_read(ws, "spool/statistics/stats.json"), "\"tasks\":1,"));
    stats_round(stats, false, 100 + STATS_PUBLISH_S);
    assert_non_null(strstr(workspace_read(ws, "spool/statistics/stats.json"), "\"tasks\":2,"));
    record(stats, ws, ID + 2, 106);
    stats_round(stats, true, 106);
    assert_non_null(strstr(workspace_read(ws, "spool/statistics/stats.json"), "\"tasks\":3,"));
}

static void without_a_change_nothing_is_opened(void **state)
{
    workspace_t *ws = *state;
    stats_t *stats = make_stats(ws);

    stats_round(stats, true, 1);
    workspace_shell(ws, "rm spool/stats.db");
    stats_round(stats, true, 100);
    assert_false(workspace_exists(ws, "spool/stats.db"));
}

static void files_that_cannot_be_written_are_told_and_tried_again(void **state)
{
    workspace_t *ws = *state;
    stats_t *stats = make_stats(ws);

    workspace_make_dir(ws, "spool/statistics/metrics");
    stats_round(stats, true, 100);
    assert_non_null(strstr(workspace_read(ws, ERROR), "write metrics"));
    workspace_shell(ws, "rmdir spool/statistics/metrics");
    stats_round(stats, true, 100 + STATS_RETRY_S);
    assert_non_null(workspace_read(ws, "spool/statistics/metrics"));
    assert_false(workspace_exists(ws, ERROR));
}

/* --- Counts from httpd --------------------------------------------------------------------- */

static void deliveries_are_taken_and_removed(void **state)
{
    workspace_t *ws = *state;
    stats_t *stats = make_stats(ws);

    workspace_write(ws, "spool/counts/1.1", "refused 413 too_big 2\nuploads 5\n");
    workspace_write(ws, "spool/counts/1.2", "refused 413 too_big 3\nthrottled 7\n");
    workspace_write(ws, "spool/counts/1.3", "refused 413\n");
    stats_round(stats, true, 1);
    assert_int_equal(workspace_count(ws, "spool/counts"), 0);
    stats_fixture_expect(ws, "SELECT day = date('now'), status, reason, count FROM refusals",
                         "1|413|too_big|5\n");
    assert_non_null(strstr(workspace_read(ws, "spool/statistics/stats.json"), "\"denied\":5,"));
}

static void deliveries_wait_for_a_database_that_works(void **state)
{
    workspace_t *ws = *state;
    stats_t *stats = make_stats(ws);

    workspace_make_dir(ws, "spool/stats.db");
    workspace_write(ws, "spool/counts/1.1", "uploads 5\n");
    stats_round(stats, true, 1);
    assert_int_equal(workspace_count(ws, "spool/counts"), 1);
    workspace_shell(ws, "rmdir spool/stats.db");
    stats_round(stats, true, 1 + STATS_RETRY_S);
    assert_int_equal(workspace_count(ws, "spool/counts"), 0);
    stats_fixture_expect(ws, "SELECT value FROM counters WHERE name = 'uploads'", "5\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_directory_in_place_of_the_database),
        TEST(a_symbolic_link_is_not_followed),
        TEST(a_pipe_is_not_waited_for),
        TEST(a_spool_that_is_gone),
        TEST(a_database_of_a_newer_version_is_left_alone),
        TEST(a_database_of_another_program_is_left_alone),
        TEST(a_full_disk_undoes_the_whole_task),
        TEST(a_held_lock_is_not_waited_for_again_and_again),
        TEST(a_round_leaves_nothing_open),
        TEST(garbage_is_set_aside),
        TEST(a_truncated_database_is_set_aside),
        TEST(damage_behind_the_header_is_met_when_it_is_met),
        TEST(only_the_last_damaged_one_is_kept),
        TEST(a_failure_is_told_once_a_minute),
        TEST(another_dispatcher_does_not_tell_it_again),
        TEST(tasks_that_wait_for_the_database_have_a_limit),
        TEST(catching_up_does_not_hold_up_a_round),
        TEST(a_fresh_spool_gets_a_private_database_and_files_for_httpd),
        TEST(files_are_not_replaced_at_each_task_while_there_is_work),
        TEST(without_a_change_nothing_is_opened),
        TEST(files_that_cannot_be_written_are_told_and_tried_again),
        TEST(deliveries_are_taken_and_removed),
        TEST(deliveries_wait_for_a_database_that_works),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
