/* SPDX-License-Identifier: Apache-2.0 */
/* See rpm_payload.h. */
#include "worker/resolve/rpm_payload.h"

#include <archive.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#define LEAD      96
#define INTRO     16 /* of a header: magic, four reserved bytes, count of entries, bytes of data */
#define ENTRY     16
#define PADDING   8 /* what the first header's length is rounded up to */
#define MAGIC_MAX 6

static const uint8_t lead_magic[] = { 0xed, 0xab, 0xee, 0xdb };
static const uint8_t header_magic[] = { 0x8e, 0xad, 0xe8, 0x01 };

static uint32_t number(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool read_at(int fd, uint8_t *bytes, size_t length, int64_t offset)
{
    return pread(fd, bytes, length, (off_t)offset) == (ssize_t)length;
}

/* @param poffset  of the header; in the end, of what is behind it */
static bool skip_header(int64_t *poffset, int fd)
{
    uint8_t intro[INTRO];

    if (!read_at(fd, intro, sizeof(intro), *poffset)
        || memcmp(intro, header_magic, sizeof(header_magic)) != 0) {
        return false;
    }
    *poffset += INTRO + (int64_t)number(intro + 8) * ENTRY + number(intro + 12);
    return true;
}

static bool find_payload(int64_t *poffset, int fd)
{
    uint8_t lead[LEAD];

    *poffset = LEAD;
    if (!read_at(fd, lead, sizeof(lead), 0) || memcmp(lead, lead_magic, sizeof(lead_magic)) != 0
        || !skip_header(poffset, fd)) {
        return false;
    }
    *poffset = (*poffset + PADDING - 1) / PADDING * PADDING;
    return skip_header(poffset, fd);
}

static bool find_filter(int *pfilter, const uint8_t *bytes)
{
    static const struct {
        const char *magic;
        size_t length;
        int filter;
    } known[] = { { "0707", 4, ARCHIVE_FILTER_NONE },
                  { "\x1f\x8b", 2, ARCHIVE_FILTER_GZIP },
                  { "BZh", 3, ARCHIVE_FILTER_BZIP2 },
                  { "\xfd"
                    "7zXZ",
                    6, ARCHIVE_FILTER_XZ },
                  { "]\0\0", 3, ARCHIVE_FILTER_LZMA },
                  { "\x28\xb5\x2f\xfd", 4, ARCHIVE_FILTER_ZSTD } };
    size_t i;

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (memcmp(bytes, known[i].magic, known[i].length) == 0) {
            *pfilter = known[i].filter;
            return true;
        }
    }
    return false;
}

apr_status_t worker_rpm_payload(int *pfilter, int fd, retrace_error_t *err)
{
    int64_t offset = 0;
    uint8_t magic[MAGIC_MAX];

    if (!find_payload(&offset, fd) || !read_at(fd, magic, sizeof(magic), offset)
        || lseek(fd, (off_t)offset, SEEK_SET) != (off_t)offset) {
        return retrace_fail(err, APR_EINVAL, "its content cannot be unpacked: it is no package");
    }
    return find_filter(pfilter, magic)
        ? APR_SUCCESS
        : retrace_fail(err, APR_EINVAL,
                       "its content cannot be unpacked: it is compressed in an unknown way");
}
