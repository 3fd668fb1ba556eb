/* SPDX-License-Identifier: Apache-2.0 */
/* Notes of core dumps: what they say about process, threads and signal, text that is no text, and
 * notes that lie about their size. */
#include <limits.h>
#include <stdarg.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <apr_general.h>
#include <cmocka.h>

#include "tests/unit/core_builder.h"

static int set_up(void **state)
{
    return apr_pool_create((apr_pool_t **)state, NULL);
}

static int tear_down(void **state)
{
    apr_pool_destroy(*state);
    return 0;
}

/* --- Threads and process --- */

static void first_thread_is_the_crashed_one(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);
    worker_core_t *core;

    core_builder_add_thread(builder, 99, SIGUSR1);
    core_builder_add_thread(builder, 101, 0);
    core = core_builder_read(builder);
    assert_int_equal(core->signal, SIGSEGV);
    assert_int_equal(core->thread_count, 3);
    assert_int_equal(core->threads->nelts, 3);
    assert_int_equal(APR_ARRAY_IDX(core->threads, 0, int), 100);
    assert_int_equal(APR_ARRAY_IDX(core->threads, 1, int), 99);
    assert_int_equal(APR_ARRAY_IDX(core->threads, 2, int), 101);
}

static void threads_beyond_the_limit_are_only_counted(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);
    worker_core_t *core;
    int i;

    for (i = 0; i < WORKER_CORE_MAX_THREADS; i++) {
        core_builder_add_thread(builder, 1000 + i, 0);
    }
    core = core_builder_read(builder);
    assert_int_equal(core->thread_count, WORKER_CORE_MAX_THREADS + 1);
    assert_int_equal(core->threads->nelts, WORKER_CORE_MAX_THREADS);
}

static void negative_pid_counts_as_unknown(void **state)
{
    core_builder_t *builder = core_builder_create(EM_X86_64, true, false, *state);
    worker_core_t *core;

    core_builder_add_thread(builder, INT_MIN, SIGSEGV);
    core_builder_add_process(builder, -1, "", "");
    core = core_builder_read(builder);
    assert_int_equal(core->pid, 0);
    assert_int_equal(APR_ARRAY_IDX(core->threads, 0, int), 0);
}

static void core_without_process_note_has_empty_command(void **state)
{
    core_builder_t *builder = core_builder_create(EM_X86_64, true, false, *state);
    worker_core_t *core;

    core_builder_add_thread(builder, 7, SIGABRT);
    core = core_builder_read(builder);
    assert_int_equal(core->pid, 0);
    assert_string_equal(core->command, "");
    assert_string_equal(core->arguments, "");
    assert_false(core->has_siginfo);
}

/* --- Signals --- */

static worker_core_t *read_signal(int signal, int code, uint64_t detail, apr_pool_t *p)
{
    core_builder_t *builder = core_builder_create(EM_X86_64, true, false, p);

    core_builder_add_thread(builder, 100, signal);
    core_builder_add_siginfo(builder, signal, code, detail);
    return core_builder_read(builder);
}

static void sent_signal_tells_its_sender(void **state)
{
    worker_core_t *core = read_signal(SIGABRT, SI_TKILL, 4711, *state);

    assert_int_equal(core->signal_code, SI_TKILL);
    assert_int_equal(core->sender_pid, 4711);
    assert_int_equal(core->fault_address, 0);
}

static void sent_sigsegv_has_no_fault_address(void **state)
{
    worker_core_t *core = read_signal(SIGSEGV, SI_USER, 4711, *state);

    assert_int_equal(core->sender_pid, 4711);
    assert_int_equal(core->fault_address, 0);
}

static void signal_without_address_has_no_fault_address(void **state)
{
    worker_core_t *core = read_signal(SIGSYS, 1, 0x1234, *state);

    assert_int_equal(core->fault_address, 0);
    assert_int_equal(core->sender_pid, 0);
}

static void timer_signal_has_no_sender(void **state)
{
    assert_int_equal(read_signal(SIGALRM, SI_TIMER, 4711, *state)->sender_pid, 0);
}

/* gcore writes a siginfo behind every thread. */
static void siginfo_of_a_later_thread_does_not_count(void **state)
{
    core_builder_t *builder = core_builder_create(EM_X86_64, true, false, *state);

    core_builder_add_thread(builder, 100, SIGSEGV);
    core_builder_add_thread(builder, 101, 0);
    core_builder_add_siginfo(builder, SIGSEGV, SEGV_MAPERR, 0x1234);
    assert_false(core_builder_read(builder)->has_siginfo);
}

/* --- Text --- */

static const char *read_command(const char *command, apr_pool_t *p)
{
    core_builder_t *builder = core_builder_create(EM_X86_64, true, false, p);

    core_builder_add_thread(builder, 100, SIGSEGV);
    core_builder_add_process(builder, 100, command, "");
    return core_builder_read(builder)->command;
}

static void control_characters_become_question_marks(void **state)
{
    assert_string_equal(read_command("a\x1b[2J\n\x7f", *state), "a?[2J??");
}

static void utf8_is_kept(void **state)
{
    assert_string_equal(read_command("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", *state),
                        "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
}

/* C1 control character, stray byte, overlong slash, surrogate, beyond Unicode, cut at the end. */
static void bytes_that_are_no_utf8_text_become_question_marks(void **state)
{
    assert_string_equal(read_command("\xc2\x9b\x80", *state), "???");
    assert_string_equal(read_command("\xc0\xaf\xe0\x80\xaf", *state), "?????");
    assert_string_equal(read_command("\xed\xa0\x80", *state), "???");
    assert_string_equal(read_command("\xf4\x90\x80\x80\xff", *state), "?????");
    assert_string_equal(read_command("ab\xe2\x82", *state), "ab??");
}

static void text_without_nul_ends_with_its_field(void **state)
{
    core_builder_t *builder = core_builder_create(EM_X86_64, true, false, *state);
    worker_core_t *core;

    core_builder_add_thread(builder, 1, 1);
    core_builder_add_process(
        builder, 1, "0123456789abcdefX",
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678\xc3\xa9");
    core = core_builder_read(builder);
    assert_string_equal(core->command, "0123456789abcdef");
    assert_int_equal(strlen(core->arguments), 80);
    assert_int_equal(core->arguments[79], '?');
}

/* The command is cut within a character, and what follows it would complete that character. */
static void text_is_not_read_beyond_its_field(void **state)
{
    core_builder_t *builder = core_builder_create(EM_X86_64, true, false, *state);
    worker_core_t *core;

    core_builder_add_thread(builder, 1, 1);
    core_builder_add_process(builder, 1, "0123456789abcde\xc3", "\xa9");
    core = core_builder_read(builder);
    assert_string_equal(core->command, "0123456789abcde?");
    assert_string_equal(core->arguments, "?");
}

/* --- Notes --- */

static void only_the_first_note_about_the_process_counts(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);
    worker_core_t *core;

    core_builder_add_process(builder, 200, "other", "other");
    core_builder_add_siginfo(builder, SIGSEGV, SEGV_ACCERR, 0x4321);
    core = core_builder_read(builder);
    assert_int_equal(core->pid, 100);
    assert_string_equal(core->command, "program");
    assert_int_equal(core->signal_code, SEGV_MAPERR);
    assert_int_equal(core->fault_address, 0x1234);
}

static void foreign_notes_are_passed_over(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);

    image_add_note(builder->notes, "LINUX", NT_PRSTATUS, "x", 1);
    image_add_note(builder->notes, "CORE2", NT_PRSTATUS, "x", 1);
    image_add_note(builder->notes, "CORE", NT_FPREGSET, "x", 1);
    assert_int_equal(core_builder_read(builder)->thread_count, 1);
}

static void note_beyond_its_segment_is_refused(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);
    size_t at = builder->notes->size;

    image_add_note(builder->notes, "CORE", NT_FPREGSET, "12345678", 8);
    image_set(builder->notes, at + 4, 9, 4);
    core_builder_refuse(builder, "reaches beyond it");
}

static void note_owner_beyond_its_segment_is_refused(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);
    size_t at = builder->notes->size;

    image_add_note(builder->notes, "CORE", NT_FPREGSET, "12345678", 8);
    image_set(builder->notes, at, UINT32_MAX, 4);
    core_builder_refuse(builder, "reaches beyond it");
}

static void note_that_is_too_short_is_refused(void **state)
{
    static const struct {
        unsigned int type;
        size_t size;
        const char *words;
    } rows[] = { { NT_PRSTATUS, 35, "NT_PRSTATUS of the core dump is too short: 35" },
                 { NT_PRPSINFO, 135, "NT_PRPSINFO of the core dump is too short" },
                 { NT_SIGINFO, 23, "NT_SIGINFO of the core dump is too short" },
                 { NT_FILE, 15, "NT_FILE of the core dump is too short" } };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        core_builder_t *builder = core_builder_create(EM_X86_64, true, false, *state);
        image_t *content = core_builder_bytes(builder);

        core_builder_add_thread(builder, 100, SIGSEGV);
        image_fill(content, rows[i].size);
        core_builder_add_note(builder, rows[i].type, content);
        core_builder_refuse(builder, rows[i].words);
    }
}

static void process_note_of_32_bits_that_is_too_short_is_refused(void **state)
{
    core_builder_t *builder = core_builder_create(EM_386, false, false, *state);
    image_t *content = core_builder_bytes(builder);

    core_builder_add_thread(builder, 100, SIGSEGV);
    image_fill(content, 123);
    core_builder_add_note(builder, NT_PRPSINFO, content);
    core_builder_refuse(builder, "NT_PRPSINFO of the core dump is too short");
}

static void core_without_thread_is_refused(void **state)
{
    core_builder_refuse(core_builder_create(EM_X86_64, true, false, *state), "no thread");
}

/* Two segments that show the same notes are odd but harmless: each one counts. */
static void overlapping_note_segments_are_read_twice(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);
    image_t *nothing = core_builder_bytes(builder);
    builder_segment_t *second = core_builder_add_memory(builder, 0, nothing);

    second->type = PT_NOTE;
    second->offset = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr);
    second->filesz = builder->notes->size;
    assert_int_equal(core_builder_read(builder)->thread_count, 2);
}

/* Build a core with two more note segments, which lie in holes; all three have total bytes. */
static image_t *build_long_notes(uint64_t total, apr_pool_t *p)
{
    core_builder_t *builder = core_builder_create_usual(p);
    image_t *hole = core_builder_bytes(builder);
    builder_segment_t *second = core_builder_add_memory(builder, 0, hole);
    builder_segment_t *third = core_builder_add_memory(builder, 0, hole);

    second->type = PT_NOTE;
    second->filesz = WORKER_CORE_MAX_NOTES / 2;
    third->type = PT_NOTE;
    third->filesz = total - second->filesz - builder->notes->size;
    return core_builder_build(builder);
}

static apr_status_t read_sparse(const image_t *bytes, off_t size, retrace_error_t *err)
{
    worker_core_t *core = NULL;
    int fd = image_open(bytes);
    apr_status_t rv;

    assert_int_equal(ftruncate(fd, size), 0);
    rv = worker_core_read(&core, fd, err, bytes->p);
    close(fd);
    return rv;
}

static void notes_at_the_limit_are_read(void **state)
{
    retrace_error_t err = { 0 };

    assert_int_equal(read_sparse(build_long_notes(WORKER_CORE_MAX_NOTES, *state),
                                 2 * (off_t)WORKER_CORE_MAX_NOTES, &err),
                     APR_SUCCESS);
}

static void notes_beyond_the_limit_are_refused(void **state)
{
    retrace_error_t err = { 0 };

    assert_int_equal(read_sparse(build_long_notes(WORKER_CORE_MAX_NOTES + 1, *state),
                                 2 * (off_t)WORKER_CORE_MAX_NOTES, &err),
                     APR_EINVAL);
    assert_non_null(strstr(err.text, "longer than"));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(first_thread_is_the_crashed_one),
        CASE(threads_beyond_the_limit_are_only_counted),
        CASE(negative_pid_counts_as_unknown),
        CASE(core_without_process_note_has_empty_command),
        CASE(sent_signal_tells_its_sender),
        CASE(sent_sigsegv_has_no_fault_address),
        CASE(signal_without_address_has_no_fault_address),
        CASE(timer_signal_has_no_sender),
        CASE(siginfo_of_a_later_thread_does_not_count),
        CASE(control_characters_become_question_marks),
        CASE(utf8_is_kept),
        CASE(bytes_that_are_no_utf8_text_become_question_marks),
        CASE(text_without_nul_ends_with_its_field),
        CASE(text_is_not_read_beyond_its_field),
        CASE(only_the_first_note_about_the_process_counts),
        CASE(foreign_notes_are_passed_over),
        CASE(note_beyond_its_segment_is_refused),
        CASE(note_owner_beyond_its_segment_is_refused),
        CASE(note_that_is_too_short_is_refused),
        CASE(process_note_of_32_bits_that_is_too_short_is_refused),
        CASE(core_without_thread_is_refused),
        CASE(overlapping_note_segments_are_read_twice),
        CASE(notes_at_the_limit_are_read),
        CASE(notes_beyond_the_limit_are_refused),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
