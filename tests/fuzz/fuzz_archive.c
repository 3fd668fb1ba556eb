/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: any bytes as an upload. The first byte chooses how the source cuts them and whether
 * they are an archive or a bare core, the rest is the upload. Whatever comes, the verdict is well formed and no file exceeds its limit. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/ingest/archive.h"
#include "worker/ingest/core_stream.h"

#define MAX_UNPACKED (INT64_C(1024) * 1024)
#define MAX_SMALL    (INT64_C(4) * 1024)

/* Bits of the first byte. */
#define STEP_MASK  0x07
#define BARE_CORE  0x40
#define BREAKS_OFF 0x80

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct input_t {
    const uint8_t *data;
    size_t length;
    size_t step;
    int breaks_off;
} input_t;

static ssize_t read_input(void *baton, void *buffer, size_t size)
{
    input_t *input = baton;

    if (input->length == 0) {
        return input->breaks_off ? -1 : 0;
    }
    size = size < input->length ? size : input->length;
    size = size < input->step ? size : input->step;
    memcpy(buffer, input->data, size);
    input->data += size;
    input->length -= size;
    return (ssize_t)size;
}

static void require(int claim)
{
    if (!claim) {
        abort();
    }
}

static void check_sentence(const ingest_verdict_t *verdict)
{
    const char *c;

    require(memchr(verdict->sentence, '\0', sizeof(verdict->sentence)) != NULL);
    require((verdict->status == 201) == (verdict->sentence[0] == '\0'));
    for (c = verdict->sentence; *c != '\0'; c++) {
        require(*c >= ' ' && *c <= '~' && *c != '%');
    }
}

/* The files that the verdict speaks of, and that none grew beyond its limit. */
static void check_files(const ingest_verdict_t *verdict, const int files[INGEST_MEMBERS])
{
    int64_t sum = 0;
    int i;

    for (i = 0; i < INGEST_MEMBERS; i++) {
        ingest_size_class_t size_class = ingest_member_rule((ingest_member_t)i)->size_class;
        struct stat st;
        require(fstat(files[i], &st) == 0);
        require(size_class != INGEST_SIZE_SMALL || st.st_size <= MAX_SMALL);
        require(size_class != INGEST_SIZE_PACKAGES || st.st_size <= INGEST_MAX_PACKAGES_BYTES);
        require(verdict->status != 201 || st.st_size == 0 || INGEST_HAS(verdict->members, i));
        sum += st.st_size;
    }
    require(sum <= MAX_UNPACKED);
}

static void open_files(int files[INGEST_MEMBERS])
{
    int i;

    for (i = 0; i < INGEST_MEMBERS; i++) {
        files[i] = memfd_create("member", MFD_CLOEXEC);
        require(files[i] >= 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t steps[] = { SIZE_MAX, 1, 7, 511, 512, 513, 4096, 65536 };
    static int files[INGEST_MEMBERS] = { -1 };
    const ingest_limits_t limits = {
        .max_unpacked_bytes = MAX_UNPACKED,
        .max_small_bytes = MAX_SMALL,
        .required = RETRACE_REQUIRED_CORE,
    };
    ingest_read_fn read_upload;
    ingest_verdict_t verdict;
    input_t input;
    int i;

    if (size == 0) {
        return 0;
    }
    if (files[0] < 0) {
        open_files(files);
    }
    for (i = 0; i < INGEST_MEMBERS; i++) {
        require(ftruncate(files[i], 0) == 0);
    }
    input.data = data + 1;
    input.length = size - 1;
    input.step = steps[data[0] & STEP_MASK];
    input.breaks_off = (data[0] & BREAKS_OFF) != 0;
    read_upload = (data[0] & BARE_CORE) != 0 ? ingest_core_read : ingest_archive_read;
    read_upload(&verdict, read_input, &input, files, &limits);
    check_sentence(&verdict);
    check_files(&verdict, files);
    return 0;
}
