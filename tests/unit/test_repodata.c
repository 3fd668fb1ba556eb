/* SPDX-License-Identifier: Apache-2.0 */
/* What is collected out of primary.xml and filelists.xml, whoever reads them and however they are
 * packed; what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <apr_general.h>
#include <apr_strings.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/fs.h"
#include "tests/unit/metadata_builder.h"
#include "worker/resolve/repodata.h"

#define ID      "abcdef0123456789abcdef0123456789abcdef01"
#define LINK    "/usr/lib/.build-id/ab/cdef0123456789abcdef0123456789abcdef01"
#define DEBUG   "/usr/lib/debug/.build-id/ab/cdef0123456789abcdef0123456789abcdef01.debug"
#define DWZ     "bash-5.1-1.fc36.x86_64"
#define DWZPATH "/usr/lib/debug/.dwz/" DWZ

static const metadata_package_t bash[] = {
    { "bash", "5.1", "Packages/b/bash.rpm", "a", NULL, { "/usr/bin/bash", LINK, NULL } },
    { "bash-debuginfo", "5.1", "bash-debuginfo.rpm", "b", ID, { DEBUG, DWZPATH, NULL } },
};

/* --- Texts as files ------------------------------------------------------------------------- */

static apr_status_t collect_from(workspace_t *ws, worker_repodata_t *data, const char *text,
                                 apr_status_t (*fn)(worker_repodata_t *, int, retrace_error_t *))
{
    apr_status_t rv;
    int fd;

    workspace_write(ws, "list", text);
    fd = openat(ws->dir, "list", O_RDONLY | O_CLOEXEC);
    rv = fn(data, fd, &ws->err);
    assert_int_equal(close(fd), 0);
    return rv;
}

static apr_status_t collect(worker_repodata_t **pdata, workspace_t *ws, const char *primary,
                            const char *filelists, const apr_hash_t *known)
{
    worker_repodata_t *data = worker_repodata_make(known, ws->pool);
    apr_status_t rv = collect_from(ws, data, primary, worker_repodata_primary);

    if (rv == APR_SUCCESS) {
        rv = collect_from(ws, data, filelists, worker_repodata_filelists);
    }
    worker_repodata_sort(data);
    *pdata = data;
    return rv;
}

/* A comment, from which on it is for expat. */
static const char *with_comment(const workspace_t *ws, const char *text, bool is_at_end)
{
    static const char comment[] = "<!-- x -->";
    const char *end = strrchr(text, '<');

    return is_at_end
        ? apr_pstrcat(ws->pool, apr_pstrmemdup(ws->pool, text, (size_t)(end - text)), comment, end,
                      NULL)
        : apr_pstrcat(ws->pool, comment, strstr(text, "?>") != NULL ? strstr(text, "?>") + 2 : text,
                      NULL);
}

/* All that was collected, as a text. */
static const char *tell(const workspace_t *ws, const worker_repodata_t *data)
{
    const char *text = "";
    int i;

    for (i = 0; i < data->packages->nelts; i++) {
        const worker_remote_t *package = &APR_ARRAY_IDX(data->packages, i, worker_remote_t);

        text = apr_psprintf(ws->pool, "%s%s-%s:%s-%s.%s %s %s %.4s %ld %s\n", text, package->name,
                            package->epoch, package->version, package->release, package->arch,
                            package->source, package->checksum.type, package->checksum.digits,
                            (long)package->size, package->location);
    }
    for (i = 0; i < data->keys->nelts; i++) {
        const worker_remote_key_t *key = &APR_ARRAY_IDX(data->keys, i, worker_remote_key_t);

        text = key->kind == WORKER_FILE_DWZ
            ? apr_psprintf(ws->pool, "%s%d dwz %.*s\n", text, key->package, (int)key->length,
                           (const char *)key->key)
            : apr_psprintf(ws->pool, "%s%d %s %02x%02x… %d\n", text, key->package,
                           worker_file_kind_name((worker_file_kind_t)key->kind), key->key[0],
                           key->key[1], (int)key->length);
    }
    return text;
}

/* Of the scanner, of expat, and of one behind the other. */
static const char *expect_both(void **state, const char *primary, const char *filelists,
                               const apr_hash_t *known)
{
    workspace_t *ws = *state;
    worker_repodata_t *scanned = NULL;
    int is_at_end;

    assert_int_equal(collect(&scanned, ws, primary, filelists, known), APR_SUCCESS);
    for (is_at_end = 0; is_at_end < 2; is_at_end++) {
        worker_repodata_t *parsed = NULL;

        assert_int_equal(collect(&parsed, ws, with_comment(ws, primary, is_at_end),
                                 with_comment(ws, filelists, is_at_end), known),
                         APR_SUCCESS);
        assert_string_equal(tell(ws, scanned), tell(ws, parsed));
        assert_int_equal(scanned->skipped, parsed->skipped);
        assert_int_equal(apr_hash_count(scanned->kept), apr_hash_count(parsed->kept));
    }
    return tell(ws, scanned);
}

static void packages_and_their_build_ids_are_collected(void **state)
{
    workspace_t *ws = *state;

    assert_string_equal(
        expect_both(state, metadata_primary(ws, bash, 2), metadata_filelists(ws, bash, 2),
                    apr_hash_make(ws->pool)),
        "bash-:5.1-1.fc36.x86_64 bash-5.1.src.rpm sha256 aaaa 100 Packages/b/bash.rpm\n"
        "bash-debuginfo-1:5.1-1.fc36.x86_64 bash-debuginfo-5.1.src.rpm sha256 bbbb 101 "
        "bash-debuginfo.rpm\n"
        "1 dwz " DWZ "\n"
        "0 executable abcd… 20\n"
        "1 debuginfo abcd… 20\n");
}

static void what_is_known_is_kept_and_not_collected(void **state)
{
    workspace_t *ws = *state;
    apr_hash_t *known = apr_hash_make(ws->pool);
    char checksum[65];

    memset(checksum, 'a', 64);
    checksum[64] = '\0';
    apr_hash_set(known, checksum, APR_HASH_KEY_STRING, "Packages/b/bash.rpm");
    assert_string_equal(
        expect_both(state, metadata_primary(ws, bash, 1), metadata_filelists(ws, bash, 1), known),
        "");
    apr_hash_set(known, checksum, APR_HASH_KEY_STRING, "Packages/elsewhere.rpm");
    assert_non_null(strstr(
        expect_both(state, metadata_primary(ws, bash, 1), metadata_filelists(ws, bash, 1), known),
        "Packages/b/bash.rpm"));
}

static void a_package_that_is_there_twice_counts_once(void **state)
{
    workspace_t *ws = *state;
    const metadata_package_t twice[] = { bash[0], bash[0] };

    assert_string_equal(
        expect_both(state, metadata_primary(ws, twice, 2), metadata_filelists(ws, twice, 2),
                    apr_hash_make(ws->pool)),
        "bash-:5.1-1.fc36.x86_64 bash-5.1.src.rpm sha256 aaaa 100 Packages/b/bash.rpm\n"
        "0 executable abcd… 20\n");
}

static void files_of_unknown_packages_do_not_matter(void **state)
{
    workspace_t *ws = *state;

    assert_null(strstr(expect_both(state, metadata_primary(ws, bash, 1),
                                   metadata_filelists(ws, bash, 2), apr_hash_make(ws->pool)),
                       "debuginfo"));
}

static void a_location_outside_the_repository_is_left_out(void **state)
{
    static const char *const locations[] = { "../bash.rpm", "/bash.rpm",     "a/../../bash.rpm",
                                             ".bash.rpm",   "a/.b/bash.rpm", "",
                                             "a//bash.rpm", "./bash.rpm" };
    workspace_t *ws = *state;
    size_t i;

    for (i = 0; i < sizeof(locations) / sizeof(locations[0]); i++) {
        metadata_package_t package = bash[0];
        worker_repodata_t *data = NULL;

        package.location = locations[i];
        assert_int_equal(collect(&data, ws, metadata_primary(ws, &package, 1),
                                 metadata_filelists(ws, &package, 1), apr_hash_make(ws->pool)),
                         APR_SUCCESS);
        assert_int_equal(data->packages->nelts, 0);
        assert_int_equal(data->skipped, 1);
    }
}

static void expect_damaged(void **state, const char *primary, const char *words)
{
    workspace_t *ws = *state;
    worker_repodata_t *data = NULL;

    assert_int_equal(collect(&data, ws, primary, "<filelists/>", apr_hash_make(ws->pool)),
                     APR_EINVAL);
    assert_non_null(strstr(ws->err.text, words));
}

static const char *replaced(const workspace_t *ws, const char *text, const char *from,
                            const char *to)
{
    const char *at = strstr(text, from);

    assert_non_null(at);
    return apr_pstrcat(ws->pool, apr_pstrmemdup(ws->pool, text, (size_t)(at - text)), to,
                       at + strlen(from), NULL);
}

static const char *long_name(const workspace_t *ws, size_t length)
{
    char *name = apr_palloc(ws->pool, length + 1);

    memset(name, 'x', length);
    name[length] = '\0';
    return apr_pstrcat(ws->pool, "<name>", name, "</name>", NULL);
}

static void a_package_without_what_it_needs_is_refused(void **state)
{
    workspace_t *ws = *state;
    const char *good = metadata_primary(ws, bash, 1);
    worker_repodata_t *data = NULL;

    expect_damaged(state, replaced(ws, good, "<name>bash</name>", ""), "without name");
    expect_damaged(state, replaced(ws, good, "<arch>x86_64</arch>", ""), "without name");
    expect_damaged(state, replaced(ws, good, "package=\"100\"", "package=\"-1\""), "size");
    expect_damaged(state, replaced(ws, good, "package=\"100\"", "package=\"9999999999999999\""),
                   "size");
    expect_damaged(state, replaced(ws, good, "type=\"sha256\"", "type=\"md5\""), "checksum");
    expect_damaged(state, replaced(ws, good, "aaaa", "aaa"), "checksum");
    expect_damaged(state, replaced(ws, good, "aaaa", "aaaX"), "checksum");
    expect_damaged(state, replaced(ws, good, "<name>bash</name>", long_name(ws, 256)),
                   "a name of more than 255 bytes");
    assert_int_equal(collect(&data, ws, replaced(ws, good, "<name>bash</name>", long_name(ws, 255)),
                             "<filelists/>", apr_hash_make(ws->pool)),
                     APR_SUCCESS);
    assert_int_equal(data->packages->nelts, 1);
}

static void a_package_that_lies_elsewhere_is_left_out(void **state)
{
    workspace_t *ws = *state;
    worker_repodata_t *data = NULL;

    assert_int_equal(collect(&data, ws,
                             replaced(ws, metadata_primary(ws, bash, 1), "<location ",
                                      "<location xml:base=\"https://elsewhere/\" "),
                             "<filelists/>", apr_hash_make(ws->pool)),
                     APR_SUCCESS);
    assert_int_equal(data->packages->nelts, 0);
    assert_int_equal(data->skipped, 1);
}

static void build_ids_are_hexadecimal(void **state)
{
    unsigned char bytes[WORKER_BUILD_ID_DIGITS / 2];
    char most[WORKER_BUILD_ID_DIGITS + 3];

    (void)state;
    assert_int_equal(worker_build_id_bytes(bytes, ""), 0);
    assert_int_equal(worker_build_id_bytes(bytes, "a"), 0);
    assert_int_equal(worker_build_id_bytes(bytes, "aG"), 0);
    assert_int_equal(worker_build_id_bytes(bytes, "AB"), 0);
    assert_int_equal(worker_build_id_bytes(bytes, "0af1"), 2);
    assert_int_equal(bytes[0], 0x0a);
    assert_int_equal(bytes[1], 0xf1);
    memset(most, 'a', sizeof(most));
    most[WORKER_BUILD_ID_DIGITS + 2] = '\0';
    assert_int_equal(worker_build_id_bytes(bytes, most), 0);
    most[WORKER_BUILD_ID_DIGITS] = '\0';
    assert_int_equal(worker_build_id_bytes(bytes, most), WORKER_BUILD_ID_DIGITS / 2);
}

/* --- Files ---------------------------------------------------------------------------------- */

static apr_status_t load(worker_repodata_t **pdata, workspace_t *ws)
{
    worker_repomd_t *repomd = NULL;
    const char *text = workspace_read(ws, "repo/repodata/repomd.xml");
    int fd = openat(ws->dir, "repo", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    apr_status_t rv;

    assert_int_equal(worker_repomd_parse(&repomd, text, strlen(text), &ws->err, ws->pool),
                     APR_SUCCESS);
    rv = worker_repodata_load(pdata, fd, repomd, apr_hash_make(ws->pool), &ws->err, ws->pool);
    (void)close(fd);
    return rv;
}

static void every_packing_is_unpacked(void **state)
{
    static const char *const packers[] = { "gzip", "zstd -q", "xz", "bzip2", "cat" };
    workspace_t *ws = *state;
    size_t i;

    for (i = 0; i < sizeof(packers) / sizeof(packers[0]); i++) {
        worker_repodata_t *data = NULL;

        metadata_write(ws, "repo", metadata_primary(ws, bash, 2), metadata_filelists(ws, bash, 2),
                       packers[i]);
        assert_int_equal(load(&data, ws), APR_SUCCESS);
        assert_int_equal(data->packages->nelts, 2);
        assert_int_equal(data->keys->nelts, 3);
        workspace_shell(ws, "rm -r repo");
    }
}

static void what_is_beyond_the_scanner_is_read_by_expat(void **state)
{
    workspace_t *ws = *state;
    worker_repodata_t *data = NULL;

    metadata_write(
        ws, "repo", metadata_primary(ws, bash, 2),
        replaced(ws, metadata_filelists(ws, bash, 2), "</filelists>", "<!-- done --></filelists>"),
        "gzip");
    assert_int_equal(load(&data, ws), APR_SUCCESS);
    assert_int_equal(data->packages->nelts, 2);
    assert_int_equal(data->keys->nelts, 3);
}

static void expect_load_refused(void **state, const char *words)
{
    workspace_t *ws = *state;
    worker_repodata_t *data = NULL;

    assert_int_equal(load(&data, ws), APR_EINVAL);
    assert_null(data);
    assert_non_null(strstr(ws->err.text, words));
}

static void a_file_that_differs_from_its_checksum_is_refused(void **state)
{
    workspace_t *ws = *state;

    metadata_write_packages(ws, "repo", bash, 2);
    workspace_shell(ws, "printf x >>repo/repodata/filelists.packed");
    expect_load_refused(state, "repodata/filelists.packed is damaged: its checksum is not the one");
    metadata_write_packages(ws, "repo", bash, 2);
    workspace_shell(ws, "truncate -s -5 repo/repodata/primary.packed");
    expect_load_refused(state, "repodata/primary.packed is damaged: its checksum is not the one");
}

static void what_cannot_be_unpacked_or_parsed_is_refused(void **state)
{
    workspace_t *ws = *state;
    const char *primary = metadata_primary(ws, bash, 2);
    const char *filelists = metadata_filelists(ws, bash, 2);

    metadata_write(ws, "repo", primary, filelists, "(gzip | head -c 200)");
    expect_load_refused(state, "repodata/primary.packed is damaged: ");
    metadata_write(ws, "repo", primary, "<filelists><package>", "gzip");
    expect_load_refused(state, "repodata/filelists.packed is damaged: line 1: no element found");
    metadata_write(ws, "repo", primary, "", "cat");
    expect_load_refused(state, "repodata/filelists.packed is damaged: ");
}

static void what_is_no_file_is_refused(void **state)
{
    workspace_t *ws = *state;
    worker_repodata_t *data = NULL;

    metadata_write_packages(ws, "repo", bash, 2);
    workspace_shell(ws, "cd repo/repodata && rm filelists.packed && mkdir filelists.packed");
    expect_load_refused(state, "filelists.packed is not a regular file");
    workspace_shell(ws, "cd repo/repodata && rmdir filelists.packed && mkfifo filelists.packed");
    expect_load_refused(state, "filelists.packed is not a regular file");
    workspace_shell(ws, "rm repo/repodata/filelists.packed");
    assert_int_equal(load(&data, ws), APR_ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, workspace_setup, workspace_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(packages_and_their_build_ids_are_collected),
        TEST(what_is_known_is_kept_and_not_collected),
        TEST(a_package_that_is_there_twice_counts_once),
        TEST(files_of_unknown_packages_do_not_matter),
        TEST(a_location_outside_the_repository_is_left_out),
        TEST(a_package_without_what_it_needs_is_refused),
        TEST(a_package_that_lies_elsewhere_is_left_out),
        TEST(build_ids_are_hexadecimal),
        TEST(every_packing_is_unpacked),
        TEST(what_is_beyond_the_scanner_is_read_by_expat),
        TEST(a_file_that_differs_from_its_checksum_is_refused),
        TEST(what_cannot_be_unpacked_or_parsed_is_refused),
        TEST(what_is_no_file_is_refused),
    };

    apr_initialize();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
