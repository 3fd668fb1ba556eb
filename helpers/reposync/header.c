/* SPDX-License-Identifier: Apache-2.0 */
/* See header.h. */
#include "helpers/reposync/header.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LEAD_BYTES          96 /* of every package; RPM 3.0 and later */
#define INTRO_BYTES         16 /* of a header: magic, version, how much follows */
#define ENTRY_BYTES         16 /* of each of its entries: tag, type, offset, count */
#define SIGNATURE_ALIGNMENT 8

static uint32_t number_at(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8
        | (uint32_t)bytes[3];
}

static int64_t entry_at(const reposync_header_t *header, int64_t index)
{
    return header->offset + INTRO_BYTES + index * ENTRY_BYTES;
}

int64_t reposync_header_end(const reposync_header_t *header)
{
    return entry_at(header, header->entries) + header->bytes;
}

/* @return false when there is none at this offset */
static bool read_intro(reposync_header_t *header, int fd, int64_t offset)
{
    static const unsigned char magic[] = { 0x8e, 0xad, 0xe8, 0x01 };
    unsigned char intro[INTRO_BYTES];

    if (pread(fd, intro, sizeof(intro), (off_t)offset) != (ssize_t)sizeof(intro)
        || memcmp(intro, magic, sizeof(magic)) != 0) {
        return false;
    }
    *header = (reposync_header_t){ offset, number_at(intro + 8), number_at(intro + 12) };
    return reposync_header_end(header) <= REPOSYNC_HEADER_MAX;
}

bool reposync_header_find(reposync_header_t *header, int fd)
{
    reposync_header_t signature;
    int64_t end;

    if (!read_intro(&signature, fd, LEAD_BYTES)) {
        return false;
    }
    end = reposync_header_end(&signature);
    return read_intro(header, fd,
                      (end + SIGNATURE_ALIGNMENT - 1) / SIGNATURE_ALIGNMENT * SIGNATURE_ALIGNMENT);
}

/* @return where the value of a tag begins; -1: there is none */
static int64_t find_value(const reposync_header_t *header, int fd, reposync_tag_t tag)
{
    unsigned char entry[ENTRY_BYTES];
    int64_t i;

    for (i = 0; i < header->entries; i++) {
        if (pread(fd, entry, sizeof(entry), (off_t)entry_at(header, i)) != (ssize_t)sizeof(entry)) {
            return -1;
        }
        if (number_at(entry) == (uint32_t)tag) {
            return entry_at(header, header->entries) + (int64_t)number_at(entry + 8);
        }
    }
    return -1;
}

bool reposync_header_number(uint32_t *pnumber, const reposync_header_t *header, int fd,
                            reposync_tag_t tag)
{
    unsigned char bytes[4];
    int64_t at = find_value(header, fd, tag);

    if (at < 0 || pread(fd, bytes, sizeof(bytes), (off_t)at) != (ssize_t)sizeof(bytes)) {
        return false;
    }
    *pnumber = number_at(bytes);
    return true;
}

/* "" when there is none. */
static void read_text(char *text, size_t size, const reposync_header_t *header, int fd,
                      reposync_tag_t tag)
{
    int64_t at = find_value(header, fd, tag);
    ssize_t got = at >= 0 ? pread(fd, text, size - 1, (off_t)at) : 0;

    text[got > 0 ? got : 0] = '\0';
}

bool reposync_header_is_of(const char *file, int fd)
{
    static const struct {
        reposync_tag_t tag;
        const char *end;
    } parts[] = { { REPOSYNC_TAG_NAME, "-" },
                  { REPOSYNC_TAG_VERSION, "-" },
                  { REPOSYNC_TAG_RELEASE, "." },
                  { REPOSYNC_TAG_ARCH, ".rpm" } };
    reposync_header_t header;
    size_t i;

    if (!reposync_header_find(&header, fd)) {
        return false;
    }
    for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        char text[REPOSYNC_HEADER_NAME];
        size_t length;

        read_text(text, sizeof(text), &header, fd, parts[i].tag);
        length = strlen(text);
        if (strncmp(file, text, length) != 0
            || strncmp(file + length, parts[i].end, strlen(parts[i].end)) != 0) {
            return false;
        }
        file += length + strlen(parts[i].end);
    }
    return *file == '\0';
}
