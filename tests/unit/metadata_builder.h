/* SPDX-License-Identifier: Apache-2.0 */
/* Metadata of a repository for tests: primary.xml and filelists.xml of a few packages. */
#ifndef RETRACE_TESTS_METADATA_BUILDER_H
#define RETRACE_TESTS_METADATA_BUILDER_H

#include "tests/unit/workspace.h"

/** One package; NULL for what does not matter to a test. */
typedef struct metadata_package_t {
    const char *name;
    const char *version;
    const char *location;
    const char *checksum; /* one hexadecimal digit, which it consists of */
    const char *provides; /* build-id that it says to have debug information of */
    const char *files[4]; /* paths; NULL at the end */
} metadata_package_t;

/** The texts. */
const char *metadata_primary(const workspace_t *ws, const metadata_package_t *packages, int count);
const char *metadata_filelists(const workspace_t *ws, const metadata_package_t *packages,
                               int count);

/**
 * Write both into `<directory>/repodata`, and the repomd.xml that names them.
 * @param packer  gzip, zstd, xz, bzip2, or cat for none
 */
void metadata_write(const workspace_t *ws, const char *directory, const char *primary,
                    const char *filelists, const char *packer);

/** The same for packages, packed by gzip. */
void metadata_write_packages(const workspace_t *ws, const char *directory,
                             const metadata_package_t *packages, int count);

#endif
