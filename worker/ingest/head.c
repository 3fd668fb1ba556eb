/* SPDX-License-Identifier: Apache-2.0 */
/* See head.h. */
#include "worker/ingest/head.h"

#include <elf.h>
#include <string.h>

#define TYPE_OFFSET  EI_NIDENT /* e_type of both classes */
#define USTAR_OFFSET 257       /* the field "magic" of POSIX and GNU tar */

_Static_assert(INGEST_CORE_HEAD == TYPE_OFFSET + sizeof(Elf64_Half), "the head ends with e_type");

bool ingest_head_is_core(const unsigned char *head, size_t length)
{
    unsigned int type;

    if (length < INGEST_CORE_HEAD || memcmp(head, ELFMAG, SELFMAG) != 0
        || (head[EI_CLASS] != ELFCLASS32 && head[EI_CLASS] != ELFCLASS64)
        || (head[EI_DATA] != ELFDATA2LSB && head[EI_DATA] != ELFDATA2MSB)
        || head[EI_VERSION] != EV_CURRENT) {
        return false;
    }
    type = head[EI_DATA] == ELFDATA2LSB
        ? head[TYPE_OFFSET] | (unsigned int)head[TYPE_OFFSET + 1] << 8
        : head[TYPE_OFFSET + 1] | (unsigned int)head[TYPE_OFFSET] << 8;
    return type == ET_CORE;
}

bool ingest_head_is_tar(const unsigned char *head, size_t length)
{
    return length >= USTAR_OFFSET + 5 && memcmp(head + USTAR_OFFSET, "ustar", 5) == 0;
}
