/* SPDX-License-Identifier: Apache-2.0 */
/* What a stream is, by its first bytes. Pure. */
#ifndef RETRACE_INGEST_HEAD_H
#define RETRACE_INGEST_HEAD_H

#include <stdbool.h>
#include <stddef.h>

#define INGEST_HEAD_MAX  512 /* bytes that are enough to tell */
#define INGEST_CORE_HEAD 18  /* of which so many are enough for a core */

/** An ELF file of the type ET_CORE, of either class and byte order? */
bool ingest_head_is_core(const unsigned char *head, size_t length);

/** A tar archive, as all but the oldest programs write it? */
bool ingest_head_is_tar(const unsigned char *head, size_t length);

#endif
