/* SPDX-License-Identifier: Apache-2.0 */
/* The header of a verified package, straight from its file: a few tags of it. */
#ifndef RETRACE_REPOSYNC_HEADER_H
#define RETRACE_REPOSYNC_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#define REPOSYNC_HEADER_MAX  (512 * 1024 * 1024) /* bytes of lead, signature and header */
#define REPOSYNC_HEADER_NAME 1024                /* bytes of a package's name, with its NUL */

/** Tags, by RPM's numbers. */
typedef enum reposync_tag_t {
    REPOSYNC_TAG_NAME = 1000,
    REPOSYNC_TAG_VERSION = 1001,
    REPOSYNC_TAG_RELEASE = 1002,
    REPOSYNC_TAG_ARCH = 1022,
    REPOSYNC_TAG_FILE_DIGEST = 5011 /* a number of OpenPGP's */
} reposync_tag_t;

/** Where it is in the file. */
typedef struct reposync_header_t {
    int64_t offset;
    int64_t entries;
    int64_t bytes; /* of what they tell of, behind them */
} reposync_header_t;

/** Find the header that tells of the package. @return false when the file is no package */
bool reposync_header_find(reposync_header_t *header, int fd);

/** The offset of the payload. */
int64_t reposync_header_end(const reposync_header_t *header);

/** A tag that is one number. @return false when there is none */
bool reposync_header_number(uint32_t *pnumber, const reposync_header_t *header, int fd,
                            reposync_tag_t tag);

/** Is `<name>-<version>-<release>.<architecture>.rpm` what this package is called? */
bool reposync_header_is_of(const char *file, int fd);

#endif
