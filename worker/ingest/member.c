/* SPDX-License-Identifier: Apache-2.0 */
/* The table of file names that an upload may hold, and the sets of them that make it complete.
 * Pure: no I/O, no memory. */
#include "worker/ingest/member.h"

#include <stddef.h>
#include <string.h>

#define BIT(member) (UINT32_C(1) << (member))

static const ingest_member_rule_t rules[INGEST_MEMBERS] = {
    [INGEST_COREDUMP] = { "coredump", INGEST_SIZE_CORE },
    [INGEST_EXECUTABLE] = { "executable", INGEST_SIZE_SMALL },
    [INGEST_PACKAGE] = { "package", INGEST_SIZE_SMALL },
    [INGEST_PACKAGES] = { "packages", INGEST_SIZE_PACKAGES },
    [INGEST_OS_RELEASE] = { "os_release", INGEST_SIZE_SMALL },
    [INGEST_OS_RELEASE_IN_ROOTDIR] = { "os_release_in_rootdir", INGEST_SIZE_SMALL },
    [INGEST_ROOTDIR] = { "rootdir", INGEST_SIZE_SMALL },
    [INGEST_RELEASE] = { "release", INGEST_SIZE_SMALL },
    [INGEST_ARCHITECTURE] = { "architecture", INGEST_SIZE_SMALL },
    [INGEST_KERNELVER] = { "kernelver", INGEST_SIZE_SMALL },
};

static const ingest_member_set_t set_s1 =
    BIT(INGEST_COREDUMP) | BIT(INGEST_EXECUTABLE) | BIT(INGEST_PACKAGE);
static const ingest_member_set_t set_s2 =
    BIT(INGEST_COREDUMP) | BIT(INGEST_ARCHITECTURE) | BIT(INGEST_RELEASE) | BIT(INGEST_PACKAGES);
static const ingest_member_set_t set_core = BIT(INGEST_COREDUMP);

const ingest_member_rule_t *ingest_member_rule(ingest_member_t member)
{
    return &rules[member];
}

static bool is_packed_core(const char *name)
{
    static const char *const suffixes[] = { ".xz", ".gz", ".zst", ".lz4" };
    const size_t length = strlen(rules[INGEST_COREDUMP].name);
    size_t i;

    for (i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        if (strncmp(name, rules[INGEST_COREDUMP].name, length) == 0
            && strcmp(name + length, suffixes[i]) == 0) {
            return true;
        }
    }
    return false;
}

ingest_member_t ingest_member_find(const char *name, bool *is_packed)
{
    int i;

    if (name[0] == '.' && name[1] == '/') {
        name += 2;
    }
    *is_packed = is_packed_core(name);
    if (*is_packed) {
        return INGEST_COREDUMP;
    }
    for (i = 0; i < INGEST_MEMBERS; i++) {
        if (strcmp(name, rules[i].name) == 0) {
            return (ingest_member_t)i;
        }
    }
    return INGEST_MEMBERS;
}

static ingest_member_set_t nearest_set(ingest_member_set_t have, retrace_required_t required)
{
    switch (required) {
    case RETRACE_REQUIRED_S1:
        return set_s1;
    case RETRACE_REQUIRED_S2:
        return set_s2;
    case RETRACE_REQUIRED_CORE:
        return set_core;
    case RETRACE_REQUIRED_S1_OR_S2:
        break;
    }
    return __builtin_popcount(set_s2 & ~have) < __builtin_popcount(set_s1 & ~have) ? set_s2
                                                                                   : set_s1;
}

const char *ingest_member_missing(ingest_member_set_t have, retrace_required_t required)
{
    ingest_member_set_t missing = nearest_set(have, required) & ~have;

    return missing == 0 ? NULL : rules[__builtin_ctz(missing)].name;
}
