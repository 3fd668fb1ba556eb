/* SPDX-License-Identifier: Apache-2.0 */
/* Core dumps: the frame of headers and segments, and one core dump that a real crash leaves.
 * Their notes are in test_core_notes.c, their mapped files in test_core_modules.c. */
#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_general.h>
#include <cmocka.h>

#include "tests/unit/core_builder.h"
#include "worker/elf_file.h"

#define PHDR_FILESZ 32 /* position in a program header of 64 bits */

static int set_up(void **state)
{
    return apr_pool_create((apr_pool_t **)state, NULL);
}

static int tear_down(void **state)
{
    apr_pool_destroy(*state);
    return 0;
}

/* --- What a good core dump says --- */

static void usual_core_tells_process_and_signal(void **state)
{
    worker_core_t *core = core_builder_read(core_builder_create_usual(*state));

    assert_int_equal(core->machine, EM_X86_64);
    assert_true(core->is_64bit);
    assert_false(core->is_big_endian);
    assert_string_equal(core->arch, "x86_64");
    assert_int_equal(core->pid, 100);
    assert_string_equal(core->command, "program");
    assert_string_equal(core->arguments, "program --option");
    assert_int_equal(core->signal, SIGSEGV);
    assert_true(core->has_siginfo);
    assert_int_equal(core->signal_code, SEGV_MAPERR);
    assert_int_equal(core->fault_address, 0x1234);
    assert_int_equal(core->sender_pid, 0);
    assert_false(core->is_truncated);
    assert_int_equal(core->modules->nelts, 0);
    assert_null(core->program);
}

/* One row per layout of notes: class, byte order and the size of user ids. */
static void every_layout_tells_the_same(void **state)
{
    static const struct {
        unsigned int machine;
        bool is_64bit;
        bool is_big_endian;
        const char *arch;
    } rows[] = {
        { EM_X86_64, true, false, "x86_64" },   { EM_386, false, false, "i386" },
        { EM_AARCH64, true, false, "aarch64" }, { EM_ARM, false, false, "armhfp" },
        { EM_PPC64, true, false, "ppc64le" },   { EM_PPC64, true, true, "ppc64" },
        { EM_S390, true, true, "s390x" },       { EM_PPC, false, true, "unknown" },
        { EM_X86_64, false, false, "unknown" }, { EM_AARCH64, true, true, "unknown" },
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        core_builder_t *builder =
            core_builder_create(rows[i].machine, rows[i].is_64bit, rows[i].is_big_endian, *state);
        worker_core_t *core;

        core_builder_add_thread(builder, 0x010203, SIGBUS);
        core_builder_add_process(builder, 0x010204, "abc", "abc def");
        core_builder_add_siginfo(builder, SIGBUS, BUS_ADRERR, 0xfedcba98);
        core_builder_add_auxv(builder, AT_PHDR, 0x10040);
        core_builder_add_mapping(builder, 0x10000, 0x20000, 0, "/usr/bin/abc");
        core = core_builder_read(builder);
        assert_string_equal(core->arch, rows[i].arch);
        assert_int_equal(core->is_64bit, rows[i].is_64bit);
        assert_int_equal(core->is_big_endian, rows[i].is_big_endian);
        assert_int_equal(core->pid, 0x010204);
        assert_string_equal(core->command, "abc");
        assert_string_equal(core->arguments, "abc def");
        assert_int_equal(core->signal, SIGBUS);
        assert_int_equal(core->fault_address, 0xfedcba98);
        assert_int_equal(APR_ARRAY_IDX(core->threads, 0, int), 0x010203);
        assert_string_equal(core->program->path, "/usr/bin/abc");
    }
}

/* --- Header and segments --- */

static void header_with_a_wrong_byte_is_refused(void **state)
{
    static const struct {
        size_t at;
        unsigned char value;
    } rows[] = { { 0, 0x7e },       { 3, 'f' },     { EI_CLASS, 0 },
                 { EI_CLASS, 3 },   { EI_DATA, 0 }, { EI_DATA, 3 },
                 { EI_VERSION, 2 }, { 54, 55 },     { 54, 32 } };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        image_t *core = core_builder_build(core_builder_create_usual(*state));

        core->data[rows[i].at] = rows[i].value;
        core_builder_refuse_bytes(core, "no valid ELF header");
    }
}

static void file_that_ends_within_the_header_is_refused(void **state)
{
    static const size_t sizes[] = { 0, 1, 4, EI_NIDENT, 51, 52, 63 };
    size_t i;

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        image_t *core = core_builder_build(core_builder_create_usual(*state));

        core->size = sizes[i];
        core_builder_refuse_bytes(core, "no valid ELF header");
    }
}

static void program_is_no_core_dump(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);

    builder->header.type = ET_EXEC;
    core_builder_refuse(builder, "not a core dump");
}

static void program_headers_beyond_the_end_are_refused(void **state)
{
    image_t *core = core_builder_build(core_builder_create_usual(*state));

    image_set(core, 32, core->size - sizeof(Elf64_Phdr) + 1, 8);
    core_builder_refuse_bytes(core, "program headers");
}

static void program_headers_at_the_end_of_numbers_are_refused(void **state)
{
    image_t *core = core_builder_build(core_builder_create_usual(*state));

    image_set(core, 32, UINT64_MAX - 8, 8);
    core_builder_refuse_bytes(core, "program headers");
}

static void segment_whose_offset_wraps_is_refused(void **state)
{
    image_t *core = core_builder_build(core_builder_create_usual(*state));

    image_set(core, sizeof(Elf64_Ehdr) + PHDR_FILESZ, UINT64_MAX - 8, 8);
    core_builder_refuse_bytes(core, "beyond the highest address");
}

static void memory_whose_address_wraps_is_refused(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);
    image_t *page = core_builder_bytes(builder);

    image_fill(page, 16);
    core_builder_add_memory(builder, UINT64_MAX - 8, page);
    core_builder_refuse(builder, "beyond the highest address");
}

/* --- More program headers than the header can count --- */

/* A core with count program headers, counted by section 0, which is the last thing in the file. */
static image_t *build_numerous(uint64_t count, apr_pool_t *p)
{
    image_t *core = image_create(true, false, p);
    core_builder_t *usual = core_builder_create_usual(p);
    builder_header_t header = { .type = ET_CORE, .machine = EM_X86_64, .phnum = PN_XNUM };
    builder_segment_t notes = { .type = PT_NOTE };
    size_t table_end = sizeof(Elf64_Ehdr) + (size_t)count * sizeof(Elf64_Phdr);

    header.phoff = sizeof(Elf64_Ehdr);
    header.shoff = table_end + usual->notes->size;
    header.shnum = 1;
    notes.offset = table_end;
    notes.filesz = usual->notes->size;
    image_add_header(core, &header);
    image_add_segment(core, &notes);
    image_fill(core, table_end);
    image_add(core, usual->notes->data, usual->notes->size);
    image_fill(core, core->size + 44);
    image_add_number(core, count, 4); /* sh_info */
    image_fill(core, header.shoff + sizeof(Elf64_Shdr));
    return core;
}

static apr_status_t read_bytes(worker_core_t **pcore, const image_t *bytes, retrace_error_t *err)
{
    int fd = image_open(bytes);
    apr_status_t rv = worker_core_read(pcore, fd, err, bytes->p);

    close(fd);
    return rv;
}

static void segments_at_the_limit_are_read(void **state)
{
    worker_core_t *core = NULL;

    assert_int_equal(read_bytes(&core, build_numerous(WORKER_CORE_MAX_SEGMENTS, *state), NULL),
                     APR_SUCCESS);
    assert_int_equal(core->pid, 100);
    assert_false(core->is_truncated);
}

static void segments_beyond_the_limit_are_refused(void **state)
{
    core_builder_refuse_bytes(build_numerous(WORKER_CORE_MAX_SEGMENTS + 1, *state),
                              "more than 262144 segments");
}

/* The count is lost with the end of the file, but the notes' position still tells it. */
static void truncated_core_with_numerous_segments_is_read(void **state)
{
    image_t *bytes = build_numerous(70000, *state);
    worker_core_t *core = NULL;

    bytes->size -= 1;
    assert_int_equal(read_bytes(&core, bytes, NULL), APR_SUCCESS);
    assert_int_equal(core->thread_count, 1);
    assert_true(core->is_truncated);
}

static void truncated_core_with_numerous_segments_and_odd_notes_is_refused(void **state)
{
    static const uint64_t offsets[] = { 0, sizeof(Elf64_Ehdr), sizeof(Elf64_Ehdr) + 57 };
    size_t i;

    for (i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        image_t *core = build_numerous(70000, *state);

        core->size -= 1;
        image_set(core, sizeof(Elf64_Ehdr) + 8, offsets[i], 8);
        core_builder_refuse_bytes(core, "number of program headers");
    }
}

static void truncated_core_with_numerous_segments_and_no_notes_first_is_refused(void **state)
{
    image_t *core = build_numerous(70000, *state);

    core->size -= 1;
    image_set(core, sizeof(Elf64_Ehdr), PT_LOAD, 4);
    core_builder_refuse_bytes(core, "number of program headers");
}

/* Program headers are read in portions; none may fall between two of them. */
static void every_one_of_numerous_segments_is_read(void **state)
{
    image_t *bytes = build_numerous(200, *state);
    worker_core_t *core = NULL;
    size_t i;

    for (i = 1; i < 200; i++) {
        memcpy(bytes->data + sizeof(Elf64_Ehdr) + i * sizeof(Elf64_Phdr),
               bytes->data + sizeof(Elf64_Ehdr), sizeof(Elf64_Phdr));
    }
    assert_int_equal(read_bytes(&core, bytes, NULL), APR_SUCCESS);
    assert_int_equal(core->thread_count, 200);
}

static void numerous_segments_without_section_are_refused(void **state)
{
    image_t *core = build_numerous(70000, *state);

    image_set(core, 40, 0, 8);
    core_builder_refuse_bytes(core, "no valid ELF header");
}

/* --- Truncation --- */

static void core_that_ends_within_its_memory_is_truncated(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);
    image_t *page = core_builder_bytes(builder);
    worker_core_t *core;

    image_fill(page, CORE_BUILDER_PAGE);
    core_builder_add_memory(builder, 0x10000, page);
    builder->missing = 1;
    core = core_builder_read(builder);
    assert_true(core->is_truncated);
    assert_int_equal(core->pid, 100);
}

static void last_note_that_is_cut_is_dropped(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);
    worker_core_t *core;

    core_builder_add_thread(builder, 101, 0);
    builder->missing = 8;
    core = core_builder_read(builder);
    assert_true(core->is_truncated);
    assert_int_equal(core->thread_count, 1);
}

static void core_that_ends_before_its_notes_is_refused(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);

    builder->missing = builder->notes->size;
    core_builder_refuse(builder, "no thread");
}

/* --- Files that are no files --- */

static void descriptor_that_is_closed_is_an_error_of_its_own(void **state)
{
    worker_core_t *core = NULL;
    retrace_error_t err = { 0 };

    assert_int_equal(worker_core_read(&core, -1, &err, *state), EBADF);
    assert_null(core);
}

static void directory_is_no_core_dump(void **state)
{
    worker_core_t *core = NULL;
    int fd = open("/", O_RDONLY | O_DIRECTORY);

    assert_int_not_equal(worker_core_read(&core, fd, NULL, *state), APR_SUCCESS);
    assert_null(core);
    close(fd);
}

static void pipe_is_no_core_dump(void **state)
{
    worker_core_t *core = NULL;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(worker_core_read(&core, ends[0], NULL, *state), APR_EINVAL);
    assert_null(core);
    close(ends[0]);
    close(ends[1]);
}

/* --- A real crash --- */

static bool kernel_writes_core_files(void)
{
    char pattern[128] = "";
    FILE *file = fopen("/proc/sys/kernel/core_pattern", "r");

    if (file != NULL) {
        if (fgets(pattern, sizeof(pattern), file) == NULL) {
            pattern[0] = '\0';
        }
        fclose(file);
    }
    return strcmp(pattern, "core\n") == 0;
}

/* Sanitizers catch signals; the crash must reach the kernel. */
static void crash_in(const char *directory)
{
    struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
    volatile char *address = (volatile char *)(uintptr_t)0x1234;

    signal(SIGSEGV, SIG_DFL);
    getrlimit(RLIMIT_CORE, &all);
    all.rlim_cur = all.rlim_max;
    if (chdir(directory) != 0 || setrlimit(RLIMIT_CORE, &all) != 0) {
        _exit(1);
    }
    *address = 1;
    _exit(1);
}

/* Let a child crash; its core dump is opened and forgotten. -1 if the kernel wrote none. */
static int make_real_core(pid_t *pchild)
{
    char directory[] = "/tmp/retrace-test-core-XXXXXX";
    char path[sizeof(directory) + 32];
    int status = 0;
    int fd;

    assert_non_null(mkdtemp(directory));
    *pchild = fork();
    if (*pchild == 0) {
        crash_in(directory);
    }
    waitpid(*pchild, &status, 0);
    snprintf(path, sizeof(path), "%s/core", directory);
    fd = open(path, O_RDONLY);
    if (fd < 0) {
        snprintf(path, sizeof(path), "%s/core.%d", directory, (int)*pchild);
        fd = open(path, O_RDONLY);
    }
    unlink(path);
    rmdir(directory);
    return WIFSIGNALED(status) ? fd : -1;
}

static bool has_libc(const worker_core_t *core)
{
    int i;

    for (i = 0; i < core->modules->nelts; i++) {
        const worker_module_t *module = &APR_ARRAY_IDX(core->modules, i, worker_module_t);

        if (strstr(module->path, "/libc.so.6") != NULL) {
            return module->is_elf && module->build_id != NULL;
        }
    }
    return false;
}

static void real_core_tells_where_this_program_crashed(void **state)
{
    char self[PATH_MAX] = "";
    worker_core_t *core = NULL;
    worker_elf_file_t *file = NULL;
    retrace_error_t err = { 0 };
    pid_t child = 0;
    int fd = kernel_writes_core_files() ? make_real_core(&child) : -1;

    if (fd < 0) {
        print_message("no core file: core_pattern is not `core`, or RLIMIT_CORE forbids it\n");
        skip();
    }
    assert_int_equal(worker_core_read(&core, fd, &err, *state), APR_SUCCESS);
    close(fd);
    assert_int_equal(core->signal, SIGSEGV);
    assert_int_equal(core->signal_code, SEGV_MAPERR);
    assert_int_equal(core->fault_address, 0x1234);
    assert_int_equal(core->pid, child);
    assert_int_equal(APR_ARRAY_IDX(core->threads, 0, int), child);
    assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    assert_non_null(core->program);
    assert_string_equal(core->program->path, self);
    fd = open("/proc/self/exe", O_RDONLY);
    assert_int_equal(worker_elf_file_read(&file, fd, &err, *state), APR_SUCCESS);
    close(fd);
    assert_non_null(file->build_id);
    assert_string_equal(core->program->build_id, file->build_id);
    assert_true(has_libc(core));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(usual_core_tells_process_and_signal),
        CASE(every_layout_tells_the_same),
        CASE(header_with_a_wrong_byte_is_refused),
        CASE(file_that_ends_within_the_header_is_refused),
        CASE(program_is_no_core_dump),
        CASE(program_headers_beyond_the_end_are_refused),
        CASE(program_headers_at_the_end_of_numbers_are_refused),
        CASE(segment_whose_offset_wraps_is_refused),
        CASE(memory_whose_address_wraps_is_refused),
        CASE(segments_at_the_limit_are_read),
        CASE(segments_beyond_the_limit_are_refused),
        CASE(truncated_core_with_numerous_segments_is_read),
        CASE(truncated_core_with_numerous_segments_and_odd_notes_is_refused),
        CASE(truncated_core_with_numerous_segments_and_no_notes_first_is_refused),
        CASE(every_one_of_numerous_segments_is_read),
        CASE(numerous_segments_without_section_are_refused),
        CASE(core_that_ends_within_its_memory_is_truncated),
        CASE(last_note_that_is_cut_is_dropped),
        CASE(core_that_ends_before_its_notes_is_refused),
        CASE(descriptor_that_is_closed_is_an_error_of_its_own),
        CASE(directory_is_no_core_dump),
        CASE(pipe_is_no_core_dump),
        CASE(real_core_tells_where_this_program_crashed),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
