/* SPDX-License-Identifier: Apache-2.0 */
/* What a mapped file's first page in a core dump says: where the build-id is found, package notes
 * good and bad, and pages that lie. */
#include <stdarg.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <cmocka.h>

#include "worker/elf_decode.h"
#include "tests/unit/core_builder.h"

#define PAGE       CORE_BUILDER_PAGE
#define NT_PACKAGE 0xcafe1a7e
#define LIB        "/usr/lib64/lib.so"
#define ID_20      "0102030405060708090a0b0c0d0e0f1011121314"

static int set_up(void **state)
{
    return apr_pool_create((apr_pool_t **)state, NULL);
}

static int tear_down(void **state)
{
    apr_pool_destroy(*state);
    return 0;
}

static const worker_module_t *module_of(const worker_core_t *core, int index)
{
    assert_true(index < core->modules->nelts);
    return &APR_ARRAY_IDX(core->modules, index, worker_module_t);
}

/* --- Build-ids --- */

static const worker_module_t *read_image(const image_t *image, uint64_t start, apr_pool_t *p)
{
    core_builder_t *builder = core_builder_create_usual(p);

    core_builder_add_mapping(builder, start, start + PAGE, 0, LIB);
    core_builder_add_memory(builder, start, image);
    return module_of(core_builder_read(builder), 0);
}

static const char *read_build_id(size_t size, apr_pool_t *p)
{
    return read_image(core_builder_image(core_builder_build_id(size, p), p), 0x10000, p)->build_id;
}

static void build_id_within_its_limits_is_read(void **state)
{
    assert_string_equal(read_build_id(WORKER_BUILD_ID_MIN, *state), "0102030405060708");
    assert_int_equal(strlen(read_build_id(WORKER_BUILD_ID_MAX, *state)), 2 * WORKER_BUILD_ID_MAX);
}

static void build_id_beyond_its_limits_is_ignored(void **state)
{
    assert_null(read_build_id(0, *state));
    assert_null(read_build_id(WORKER_BUILD_ID_MIN - 1, *state));
    assert_null(read_build_id(WORKER_BUILD_ID_MAX + 1, *state));
}

static void build_id_of_another_owner_is_ignored(void **state)
{
    image_t *notes = image_create(true, false, *state);

    image_add_note(notes, "GNV", NT_GNU_BUILD_ID, "12345678", 8);
    image_add_note(notes, "GNU", NT_GNU_ABI_TAG, "12345678", 8);
    assert_null(read_image(core_builder_image(notes, *state), 0x10000, *state)->build_id);
}

static void note_that_lies_about_its_size_gives_no_build_id(void **state)
{
    image_t *notes = core_builder_build_id(20, *state);
    const worker_module_t *module;

    image_set(notes, 4, 21, 4);
    module = read_image(core_builder_image(notes, *state), 0x10000, *state);
    assert_true(module->is_elf);
    assert_null(module->build_id);
}

/* A property note of 8-byte padding stands before the build-id. */
static void note_segment_of_eight_byte_padding_is_read(void **state)
{
    image_t *notes = image_create(true, false, *state);
    image_t *id = core_builder_build_id(20, *state);
    image_t *image;

    image_add_note(notes, "GNU", NT_GNU_PROPERTY_TYPE_0, "12345678", 4);
    image_pad(notes, 8);
    image_add(notes, id->data, id->size);
    image = core_builder_image(notes, *state);
    assert_null(read_image(image, 0x10000, *state)->build_id);
    image_set(image, sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr) - 8, 8, 8);
    assert_string_equal(read_image(image, 0x10000, *state)->build_id, ID_20);
}

/* An image whose note lies at an address of its second page. */
static image_t *make_image_with_far_note(size_t size, apr_pool_t *p)
{
    image_t *image = core_builder_image(core_builder_build_id(20, p), p);
    size_t note = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr);

    image_set(image, note + 8, 0x777777, 8); /* p_offset, which means nothing in memory */
    image_set(image, note + 16, PAGE + 16, 8);
    image_set(image, note + 32, size, 8);
    return image;
}

static void build_id_in_another_page_is_found(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);
    image_t *id = core_builder_build_id(20, *state);
    image_t *page = core_builder_bytes(builder);

    image_fill(page, 16);
    image_add(page, id->data, id->size);
    core_builder_add_mapping(builder, 0x10000, 0x12000, 0, LIB);
    core_builder_add_memory(builder, 0x11000, page);
    core_builder_add_memory(builder, 0x10000, make_image_with_far_note(id->size, *state));
    assert_string_equal(module_of(core_builder_read(builder), 0)->build_id, ID_20);
}

static void build_id_across_two_segments_is_found(void **state)
{
    core_builder_t *builder = core_builder_create_usual(*state);
    image_t *id = core_builder_build_id(20, *state);
    image_t *front = core_builder_bytes(builder);
    image_t *back = core_builder_bytes(builder);

    image_fill(front, 16);
    image_add(front, id->data, 17);
    image_add(back, id->data + 17, id->size - 17);
    core_builder_add_mapping(builder, 0x10000, 0x12000, 0, LIB);
    core_builder_add_memory(builder, 0x10000, make_image_with_far_note(id->size, *state));
    core_builder_add_memory(builder, 0x11000 + 33, back);
    core_builder_add_memory(builder, 0x11000, front);
    assert_string_equal(module_of(core_builder_read(builder), 0)->build_id, ID_20);
}

static void build_id_in_a_page_that_is_not_there_is_unknown(void **state)
{
    const worker_module_t *module =
        read_image(make_image_with_far_note(36, *state), 0x10000, *state);

    assert_true(module->is_elf);
    assert_null(module->build_id);
}

/* An image with these notes, which begin in its second page. */
static const worker_module_t *read_far_notes(const image_t *notes, apr_pool_t *p)
{
    image_t *image = make_image_with_far_note(notes->size, p);

    image_fill(image, PAGE + 16);
    image_add(image, notes->data, notes->size);
    return read_image(image, 0x10000, p);
}

static void notes_of_an_image_have_a_limit(void **state)
{
    static const char filler[16384 - 16 - 36];
    image_t *id = core_builder_build_id(20, *state);
    image_t *notes = image_create(true, false, *state);

    image_add_note(notes, "XYZ", 1, filler, sizeof(filler));
    image_add(notes, id->data, id->size);
    assert_int_equal(notes->size, 16384);
    assert_string_equal(read_far_notes(notes, *state)->build_id, ID_20);
    image_fill(notes, 16385);
    assert_null(read_far_notes(notes, *state)->build_id);
}

/* An image with so many program headers, of which only the last one is a note. */
static const worker_module_t *read_segments(unsigned int type, unsigned int count, apr_pool_t *p)
{
    image_t *image = image_create(true, false, p);
    image_t *id = core_builder_build_id(20, p);
    builder_header_t header = { .type = ET_DYN, .phoff = sizeof(Elf64_Ehdr), .phnum = count };
    builder_segment_t other = { .type = type };
    builder_segment_t note = { .type = PT_NOTE };
    unsigned int i;

    image_add_header(image, &header);
    for (i = 1; i < count; i++) {
        image_add_segment(image, &other);
    }
    note.vaddr = sizeof(Elf64_Ehdr) + count * sizeof(Elf64_Phdr);
    note.filesz = id->size;
    image_add_segment(image, &note);
    image_add(image, id->data, id->size);
    image_pad(image, PAGE);
    return read_image(image, 0x10000, p);
}

static void segments_of_an_image_have_a_limit(void **state)
{
    assert_string_equal(read_segments(PT_NULL, 128, *state)->build_id, ID_20);
    assert_null(read_segments(PT_NULL, 129, *state)->build_id);
}

static void note_segments_of_an_image_have_a_limit(void **state)
{
    assert_string_equal(read_segments(PT_NOTE, 8, *state)->build_id, ID_20);
    assert_null(read_segments(PT_NOTE, 9, *state)->build_id);
}

static void image_linked_to_an_address_is_read(void **state)
{
    image_t *image = core_builder_image(core_builder_build_id(20, *state), *state);
    size_t load = sizeof(Elf64_Ehdr);
    size_t note = load + sizeof(Elf64_Phdr);

    image_set(image, load + 16, 0x400000, 8);
    image_set(image, note + 16, 0x400000 + note + sizeof(Elf64_Phdr), 8);
    assert_string_equal(read_image(image, 0x400000, *state)->build_id, ID_20);
}

static void image_with_absurd_numbers_has_no_build_id(void **state)
{
    static const struct {
        size_t at;
        size_t width;
        uint64_t number;
    } rows[] = { { 32, 8, UINT64_MAX - 8 },        /* e_phoff */
                 { 32, 8, 0x100000 },              /* e_phoff */
                 { 56, 2, 129 },                   /* e_phnum */
                 { 56, 2, PN_XNUM - 1 },           /* e_phnum */
                 { 120 + 16, 8, UINT64_MAX - 3 },  /* p_vaddr */
                 { 120 + 32, 8, UINT64_MAX },      /* p_filesz */
                 { 120 + 32, 8, 16385 },           /* p_filesz */
                 { 64 + 16, 8, UINT64_MAX - 3 } }; /* p_vaddr of the load */
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        image_t *image = core_builder_image(core_builder_build_id(20, *state), *state);
        const worker_module_t *module;

        image_set(image, rows[i].at, rows[i].number, rows[i].width);
        module = read_image(image, 0x10000, *state);
        assert_true(module->is_elf);
        assert_null(module->build_id);
    }
}

/* --- The package note --- */

static const worker_module_t *read_package(const char *json, apr_pool_t *p)
{
    image_t *notes = core_builder_build_id(20, p);
    const worker_module_t *module;

    image_add_note(notes, "FDO", NT_PACKAGE, json, strlen(json) + 1);
    module = read_image(core_builder_image(notes, p), 0x10000, p);
    assert_string_equal(module->build_id, ID_20);
    return module;
}

static void package_note_is_read(void **state)
{
    const worker_module_t *module =
        read_package("{\"type\":\"rpm\",\"name\":\"coreutils\",\"version\":\"9.4-6.fc40\","
                     "\"architecture\":\"x86_64\",\"osCpe\":\"cpe:/o:fedoraproject:fedora:40\"}",
                     *state);

    assert_string_equal(module->package_type, "rpm");
    assert_string_equal(module->package_name, "coreutils");
    assert_string_equal(module->package_version, "9.4-6.fc40");
    assert_string_equal(module->package_arch, "x86_64");
    assert_string_equal(module->package_os_cpe, "cpe:/o:fedoraproject:fedora:40");
}

static void package_note_may_lack_members_and_have_others(void **state)
{
    const worker_module_t *module = read_package(
        " { \"debugInfoUrl\" : \"https:\\/\\/x\" ,\n\t\"name\" : \"a\\\"\\u00e9\\n\" } ", *state);

    assert_string_equal(module->package_name, "a\"??");
    assert_null(module->package_type);
    assert_null(module->package_version);
}

static void package_text_is_sanitised(void **state)
{
    assert_string_equal(read_package("{\"name\":\"a\x7f\xff\"}", *state)->package_name, "a??");
}

static void ill_formed_package_note_says_nothing(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "{}",
        "[]",
        "\"name\"",
        "{\"name\":\"x\"",
        "{\"name\":\"x\",}",
        "{\"name\":\"x\"}}",
        "{\"name\":\"x\"} x",
        "{\"name\":\"x\" \"type\":\"rpm\"}",
        "{\"name\" \"x\"}",
        "{\"name\":x}",
        "{\"name\":1}",
        "{\"name\":\"x\",\"type\":null}",
        "{\"name\":\"x\",\"type\":{\"a\":\"b\"}}",
        "{\"name\":\"x}",
        "{\"name\":\"x\\\"}",
        "{\"name\":\"\\x\"}",
        "{\"name\":\"\\u12g4\"}",
        "{\"name\":\"\\u12\"}",
        "{\"name\":\"x\ny\"}",
        "{'name':'x'}",
    };
    size_t i;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const worker_module_t *module = read_package(texts[i], *state);

        if (module->package_name != NULL || module->package_type != NULL) {
            fail_msg("read from %s", texts[i]);
        }
    }
}

static const char *read_long_name(size_t length, apr_pool_t *p)
{
    char *name = apr_pcalloc(p, length + 1);

    memset(name, 'a', length);
    return read_package(apr_psprintf(p, "{\"name\":\"%s\"}", name), p)->package_name;
}

static void package_name_has_a_limit(void **state)
{
    assert_int_equal(strlen(read_long_name(256, *state)), 256);
    assert_null(read_long_name(257, *state));
}

static const char *read_many_members(int count, apr_pool_t *p)
{
    const char *json = "{\"name\":\"x\"";
    int i;

    for (i = 1; i < count; i++) {
        json = apr_pstrcat(p, json, ",\"k\":\"\"", NULL);
    }
    return read_package(apr_pstrcat(p, json, "}", NULL), p)->package_name;
}

static void package_members_have_a_limit(void **state)
{
    assert_string_equal(read_many_members(32, *state), "x");
    assert_null(read_many_members(33, *state));
}

static void only_the_first_package_note_counts(void **state)
{
    image_t *notes = image_create(true, false, *state);

    image_add_note(notes, "FDO", NT_PACKAGE, "{\"name\":\"x\"}", 12);
    image_add_note(notes, "FDO", NT_PACKAGE, "{\"name\":\"y\"}", 12);
    assert_string_equal(
        read_image(core_builder_image(notes, *state), 0x10000, *state)->package_name, "x");
}

static void package_note_without_nul_is_read_to_its_end(void **state)
{
    image_t *notes = image_create(true, false, *state);

    image_add_note(notes, "FDO", NT_PACKAGE, "{\"name\":\"x\"}", 12);
    assert_string_equal(
        read_image(core_builder_image(notes, *state), 0x10000, *state)->package_name, "x");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(build_id_within_its_limits_is_read),
        CASE(build_id_beyond_its_limits_is_ignored),
        CASE(build_id_of_another_owner_is_ignored),
        CASE(note_that_lies_about_its_size_gives_no_build_id),
        CASE(note_segment_of_eight_byte_padding_is_read),
        CASE(build_id_in_another_page_is_found),
        CASE(build_id_across_two_segments_is_found),
        CASE(build_id_in_a_page_that_is_not_there_is_unknown),
        CASE(notes_of_an_image_have_a_limit),
        CASE(segments_of_an_image_have_a_limit),
        CASE(note_segments_of_an_image_have_a_limit),
        CASE(image_linked_to_an_address_is_read),
        CASE(image_with_absurd_numbers_has_no_build_id),
        CASE(package_note_is_read),
        CASE(package_note_may_lack_members_and_have_others),
        CASE(package_text_is_sanitised),
        CASE(ill_formed_package_note_says_nothing),
        CASE(package_name_has_a_limit),
        CASE(package_members_have_a_limit),
        CASE(only_the_first_package_note_counts),
        CASE(package_note_without_nul_is_read_to_its_end),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
