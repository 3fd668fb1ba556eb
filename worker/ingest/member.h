/* SPDX-License-Identifier: Apache-2.0 */
/* The files that an upload may hold: the only names that ever reach the file system. The order is
 * that of the bits in a set of members. */
#ifndef RETRACE_INGEST_MEMBER_H
#define RETRACE_INGEST_MEMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/config.h"

typedef enum ingest_member_t {
    INGEST_COREDUMP,
    INGEST_EXECUTABLE,
    INGEST_PACKAGE,
    INGEST_PACKAGES,
    INGEST_OS_RELEASE,
    INGEST_OS_RELEASE_IN_ROOTDIR,
    INGEST_ROOTDIR,
    INGEST_RELEASE,
    INGEST_ARCHITECTURE,
    INGEST_KERNELVER,
    INGEST_MEMBERS /* how many */
} ingest_member_t;

typedef enum ingest_size_class_t {
    INGEST_SIZE_CORE,    /* MaxUnpackedSize alone bounds it */
    INGEST_SIZE_SMALL,   /* MaxSmallFileSize */
    INGEST_SIZE_PACKAGES /* the list of packages: INGEST_MAX_PACKAGES_BYTES */
} ingest_size_class_t;

#define INGEST_MAX_PACKAGES_BYTES (INT64_C(1024) * 1024)

typedef struct ingest_member_rule_t {
    const char *name;
    ingest_size_class_t size_class;
} ingest_member_rule_t;

/** A set of members: bit 1 << member. */
typedef uint32_t ingest_member_set_t;

#define INGEST_HAS(set, member) (((set) & (UINT32_C(1) << (member))) != 0)

/** The rule of a member; never NULL for a valid one. */
const ingest_member_rule_t *ingest_member_rule(ingest_member_t member);

/**
 * Which member is this archive entry? One leading "./" is tolerated.
 * @param is_packed  set for coredump.xz, .gz, .zst and .lz4, which are coredump; else cleared
 * @return the member, or INGEST_MEMBERS for a name that is not in the table
 */
ingest_member_t ingest_member_find(const char *name, bool *is_packed);

/**
 * The first file that is missing, by the set that is nearest to complete.
 * @return its name, or NULL when nothing is missing
 */
const char *ingest_member_missing(ingest_member_set_t have, retrace_required_t required);

#endif
