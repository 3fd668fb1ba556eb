/* SPDX-License-Identifier: Apache-2.0 */
/* Member files are memfds: nothing is left behind, and they know holes as other files do. */
#include "tests/unit/upload.h"

#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

upload_t *upload_new(void)
{
    upload_t *upload = calloc(1, sizeof(*upload));
    int i;

    assert_non_null(upload);
    for (i = 0; i < INGEST_MEMBERS; i++) {
        upload->files[i] = memfd_create("member", MFD_CLOEXEC);
        assert_true(upload->files[i] >= 0);
    }
    upload->read = ingest_archive_read;
    upload->limits.max_unpacked_bytes = INT64_C(64) * 1024 * 1024;
    upload->limits.max_small_bytes = 100 * 1024;
    upload->limits.required = RETRACE_REQUIRED_S1;
    return upload;
}

void upload_free(upload_t *upload)
{
    int i;

    for (i = 0; i < INGEST_MEMBERS; i++) {
        close(upload->files[i]);
    }
    bytes_free(&upload->tar);
    free(upload);
}

void upload_read(upload_t *upload, const bytes_t *packed)
{
    bytes_source_t source = { .data = packed->data,
                              .length = packed->length,
                              .step = upload->step,
                              .breaks_off = upload->breaks_off };
    int i;

    for (i = 0; i < INGEST_MEMBERS; i++) {
        assert_int_equal(ftruncate(upload->files[i], 0), 0);
    }
    memset(&upload->verdict, 0xff, sizeof(upload->verdict));
    upload->read(&upload->verdict, bytes_source, &source, upload->files, &upload->limits);
}

void upload_add_elf(bytes_t *bytes, unsigned char type)
{
    Elf64_Ehdr header = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                                       EV_CURRENT },
                          .e_version = EV_CURRENT };
    unsigned char *raw = (unsigned char *)&header;

    raw[EI_NIDENT] = type;
    bytes_add(bytes, raw, sizeof(header));
}

void upload_tar(upload_t *upload)
{
    upload_read(upload, &upload->tar);
}

void upload_expect(const upload_t *upload, int status, const char *part)
{
    const char *c;

    if (upload->verdict.status != status || strstr(upload->verdict.sentence, part) == NULL) {
        fail_msg("verdict is %d \"%s\", not %d \"%s\"", upload->verdict.status,
                 upload->verdict.sentence, status, part);
    }
    assert_int_equal(upload->verdict.sentence[0] == '\0', status == 201);
    for (c = upload->verdict.sentence; *c != '\0'; c++) {
        assert_true(*c >= ' ' && *c <= '~' && *c != '%');
    }
}

int64_t upload_size(const upload_t *upload, ingest_member_t member)
{
    struct stat st;

    assert_int_equal(fstat(upload->files[member], &st), 0);
    return st.st_size;
}

int64_t upload_space(const upload_t *upload, ingest_member_t member)
{
    struct stat st;

    assert_int_equal(fstat(upload->files[member], &st), 0);
    return (int64_t)st.st_blocks * 512;
}

void upload_expect_file(const upload_t *upload, ingest_member_t member, const void *data,
                        size_t length)
{
    unsigned char *content = malloc(length + 1);

    assert_non_null(content);
    assert_int_equal(pread(upload->files[member], content, length + 1, 0), length);
    assert_memory_equal(content, data, length);
    free(content);
}
