/* SPDX-License-Identifier: Apache-2.0 */
/* What an archive may hold: names and kinds of its entries. Their sizes are in
 * test_archive_sizes.c, the stream around them in test_archive_stream.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/upload.h"

static int set_up(void **state)
{
    *state = upload_new();
    return 0;
}

static int tear_down(void **state)
{
    upload_free(*state);
    return 0;
}

static void expect_entry(upload_t *upload, int status, const char *part)
{
    tar_end(&upload->tar);
    upload_tar(upload);
    upload_expect(upload, status, part);
}

/* --- what is accepted ------------------------------------------------------------------------- */

static void the_usual_upload_is_accepted(void **state)
{
    upload_t *upload = *state;

    tar_usual(&upload->tar);
    expect_entry(upload, 201, "");
    upload_expect_file(upload, INGEST_EXECUTABLE, "/usr/bin/will_segfault", 22);
    assert_int_equal(upload->verdict.members, 7);
}

static void names_may_begin_with_dot_slash(void **state)
{
    upload_t *upload = *state;

    tar_header(&upload->tar, '5', "./", "", 0);
    tar_text(&upload->tar, "./coredump", "c");
    tar_text(&upload->tar, "./executable", "e");
    tar_text(&upload->tar, "./package", "p");
    expect_entry(upload, 201, "");
}

static void every_known_member_is_stored_in_its_own_file(void **state)
{
    upload_t *upload = *state;
    int i;

    for (i = 0; i < INGEST_MEMBERS; i++) {
        const char *name = ingest_member_rule((ingest_member_t)i)->name;
        tar_text(&upload->tar, name, name);
    }
    expect_entry(upload, 201, "");
    for (i = 0; i < INGEST_MEMBERS; i++) {
        const char *name = ingest_member_rule((ingest_member_t)i)->name;
        upload_expect_file(upload, (ingest_member_t)i, name, strlen(name));
    }
}

static void an_empty_file_is_a_file(void **state)
{
    upload_t *upload = *state;

    upload->limits.required = RETRACE_REQUIRED_CORE;
    tar_text(&upload->tar, "coredump", "");
    expect_entry(upload, 201, "");
}

static void control_bytes_in_a_small_file_are_data(void **state)
{
    upload_t *upload = *state;
    static const char text[] = "/usr/bin/a\0b\r\n\x1b[0m";

    tar_usual(&upload->tar);
    tar_file(&upload->tar, "release", text, sizeof(text));
    expect_entry(upload, 201, "");
    upload_expect_file(upload, INGEST_RELEASE, text, sizeof(text));
}

static void an_old_header_without_magic_is_accepted(void **state)
{
    upload_t *upload = *state;
    size_t i;

    tar_usual(&upload->tar);
    for (i = 0; i < upload->tar.length; i += 2 * TAR_BLOCK) {
        memset(upload->tar.data + i + 257, 0, 8);
        upload->tar.data[i + 156] = 0;
        tar_checksum(upload->tar.data + i);
    }
    expect_entry(upload, 201, "");
}

static void a_pax_header_may_carry_what_we_do_not_use(void **state)
{
    upload_t *upload = *state;
    bytes_t records = { 0 };

    pax_record(&records, "mtime", "1719500000.123456789");
    pax_record(&records, "RHT.security.selinux", "system_u:object_r:tmp_t:s0");
    pax_record(&records, "SCHILY.xattr.user.x", "y");
    pax_record(&records, "LIBARCHIVE.creationtime", "1");
    tar_pax(&upload->tar, 'x', &records);
    tar_usual(&upload->tar);
    expect_entry(upload, 201, "");
}

static void a_pax_path_counts_as_the_name(void **state)
{
    upload_t *upload = *state;
    bytes_t records = { 0 };

    upload->limits.required = RETRACE_REQUIRED_CORE;
    pax_record(&records, "path", "./coredump");
    tar_pax(&upload->tar, 'x', &records);
    tar_text(&upload->tar, "something else", "c");
    expect_entry(upload, 201, "");
    upload_expect_file(upload, INGEST_COREDUMP, "c", 1);
}

static void a_gnu_long_name_counts_as_the_name(void **state)
{
    upload_t *upload = *state;

    upload->limits.required = RETRACE_REQUIRED_CORE;
    tar_header(&upload->tar, 'L', "././@LongLink", "", 9);
    bytes_add(&upload->tar, "coredump", 9);
    tar_pad(&upload->tar);
    tar_text(&upload->tar, "something else", "c");
    expect_entry(upload, 201, "");
}

/* --- names ------------------------------------------------------------------------------------ */

static void foreign_names_are_refused(void **state)
{
    static const char *const names[] = {
        "/etc/passwd",  "../coredump", "./../coredump", "/coredump",   "dir/coredump",
        "././coredump", "coredump2",   "Coredump",      " ",           "..",
        ".gdbinit",     "a\nb",        "coredump/../x", ".//coredump", "._coredump",
        "vmcore.1",     "password",    "results",
    };
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        upload_t *upload = *state;
        bytes_free(&upload->tar);
        tar_text(&upload->tar, names[i], "x");
        expect_entry(upload, 403, "does not belong here");
    }
}

static void a_foreign_name_behind_a_full_set_is_refused(void **state)
{
    upload_t *upload = *state;

    tar_usual(&upload->tar);
    tar_text(&upload->tar, "notes", "x");
    expect_entry(upload, 403, "the file \"notes\" does not belong here");
}

static void a_hostile_name_is_quoted_in_the_sentence(void **state)
{
    upload_t *upload = *state;

    tar_text(&upload->tar, "%n\x1b\"\\\x80", "x");
    expect_entry(upload, 403, "\"\\x25n\\x1b\\x22\\x5c\\x80\"");
}

static void a_long_name_is_cut_in_the_sentence(void **state)
{
    upload_t *upload = *state;
    char name[100];

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    tar_text(&upload->tar, name, "x");
    expect_entry(upload, 403, "nnnn...\"");
}

static void a_name_in_a_foreign_script_is_refused(void **state)
{
    upload_t *upload = *state;
    bytes_t records = { 0 };

    pax_record(&records, "path", "\xc3\xa9");
    tar_pax(&upload->tar, 'x', &records);
    tar_text(&upload->tar, "coredump", "x");
    expect_entry(upload, 403, "");
}

static void an_empty_name_is_refused(void **state)
{
    upload_t *upload = *state;

    tar_text(&upload->tar, "", "x");
    expect_entry(upload, 403, "");
}

static void a_file_that_comes_twice_is_refused(void **state)
{
    upload_t *upload = *state;

    tar_usual(&upload->tar);
    tar_text(&upload->tar, "package", "x");
    expect_entry(upload, 403, "the file package comes twice");
}

static void a_file_that_comes_with_and_without_dot_slash_is_refused(void **state)
{
    upload_t *upload = *state;

    tar_usual(&upload->tar);
    tar_text(&upload->tar, "./package", "x");
    expect_entry(upload, 403, "the file package comes twice");
}

/* --- kinds ------------------------------------------------------------------------------------ */

static void expect_kind_refused(upload_t *upload, char type, const char *link)
{
    tar_header(&upload->tar, type, "coredump", link, 0);
    expect_entry(upload, 403, "\"coredump\" is not a regular file");
}

static void a_symbolic_link_is_refused(void **state)
{
    expect_kind_refused(*state, '2', "/etc/shadow");
}

static void a_hard_link_is_refused(void **state)
{
    expect_kind_refused(*state, '1', "executable");
}

static void a_character_device_is_refused(void **state)
{
    expect_kind_refused(*state, '3', "");
}

static void a_block_device_is_refused(void **state)
{
    expect_kind_refused(*state, '4', "");
}

static void a_directory_is_refused(void **state)
{
    expect_kind_refused(*state, '5', "");
}

static void a_fifo_is_refused(void **state)
{
    expect_kind_refused(*state, '6', "");
}

static void a_file_with_a_link_in_its_pax_header_is_refused(void **state)
{
    upload_t *upload = *state;
    bytes_t records = { 0 };

    pax_record(&records, "linkpath", "/etc/shadow");
    tar_pax(&upload->tar, 'x', &records);
    expect_kind_refused(upload, '1', "");
}

static void a_symbolic_link_to_another_script_is_refused(void **state)
{
    upload_t *upload = *state;
    bytes_t records = { 0 };

    pax_record(&records, "linkpath", "\xc3\xa9");
    tar_pax(&upload->tar, 'x', &records);
    tar_header(&upload->tar, '2', "coredump", "", 0);
    expect_entry(upload, 403, "");
}

static void a_name_with_a_slash_at_its_end_is_refused(void **state)
{
    upload_t *upload = *state;

    tar_text(&upload->tar, "coredump/", "x");
    expect_entry(upload, 403, "");
}

static void the_directory_itself_comes_only_once(void **state)
{
    upload_t *upload = *state;

    tar_header(&upload->tar, '5', "./", "", 0);
    tar_header(&upload->tar, '5', "./", "", 0);
    expect_entry(upload, 403, "\"./\" is not a regular file");
}

static void a_directory_besides_the_root_is_refused(void **state)
{
    upload_t *upload = *state;

    tar_header(&upload->tar, '5', "./sub/", "", 0);
    expect_entry(upload, 403, "is not a regular file");
}

static void a_link_named_like_the_root_is_refused(void **state)
{
    upload_t *upload = *state;

    tar_header(&upload->tar, '2', "./", "/etc", 0);
    expect_entry(upload, 403, "is not a regular file");
}

static void a_hundred_thousand_entries_are_refused_at_the_first_foreign_one(void **state)
{
    upload_t *upload = *state;
    char name[32];
    int i;

    for (i = 0; i < 100000; i++) {
        (void)snprintf(name, sizeof(name), "f%d", i);
        tar_header(&upload->tar, '0', name, "", 0);
    }
    expect_entry(upload, 403, "\"f0\" does not belong here");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_usual_upload_is_accepted),
        TEST(names_may_begin_with_dot_slash),
        TEST(every_known_member_is_stored_in_its_own_file),
        TEST(an_empty_file_is_a_file),
        TEST(control_bytes_in_a_small_file_are_data),
        TEST(an_old_header_without_magic_is_accepted),
        TEST(a_pax_header_may_carry_what_we_do_not_use),
        TEST(a_pax_path_counts_as_the_name),
        TEST(a_gnu_long_name_counts_as_the_name),
        TEST(foreign_names_are_refused),
        TEST(a_foreign_name_behind_a_full_set_is_refused),
        TEST(a_hostile_name_is_quoted_in_the_sentence),
        TEST(a_long_name_is_cut_in_the_sentence),
        TEST(a_name_in_a_foreign_script_is_refused),
        TEST(an_empty_name_is_refused),
        TEST(a_file_that_comes_twice_is_refused),
        TEST(a_file_that_comes_with_and_without_dot_slash_is_refused),
        TEST(a_symbolic_link_is_refused),
        TEST(a_hard_link_is_refused),
        TEST(a_character_device_is_refused),
        TEST(a_block_device_is_refused),
        TEST(a_directory_is_refused),
        TEST(a_fifo_is_refused),
        TEST(a_file_with_a_link_in_its_pax_header_is_refused),
        TEST(a_symbolic_link_to_another_script_is_refused),
        TEST(a_name_with_a_slash_at_its_end_is_refused),
        TEST(the_directory_itself_comes_only_once),
        TEST(a_directory_besides_the_root_is_refused),
        TEST(a_link_named_like_the_root_is_refused),
        TEST(a_hundred_thousand_entries_are_refused_at_the_first_foreign_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
