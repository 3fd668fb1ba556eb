/* SPDX-License-Identifier: Apache-2.0 */
/* Which release of which distribution a crash is of: `fedora-36`, `rhel-7.9`, `debian-12`. From the
 * free text that clients send, or from the tag in a package's release. Pure. */
#ifndef RETRACE_RELEASE_H
#define RETRACE_RELEASE_H

#include <stdbool.h>

#define RETRACE_RELEASE_MAX 64 /* bytes of such an id, with the NUL */

/** An id: lower-case letters, digits, '.', '-'. */
typedef struct retrace_release_t {
    char text[RETRACE_RELEASE_MAX];
} retrace_release_t;

/**
 * From the first line of /etc/os-release's kin: "Fedora release 36 (Thirty Six)", "Red Hat
 * Enterprise Linux Server release 7.9 (Maipo)", "Debian GNU/Linux 12 (bookworm)"; or from an id that
 * is one already.
 * @param release  written only on success
 * @return false when it names no release
 */
bool retrace_release_from_text(retrace_release_t *release, const char *text);

/**
 * From the distribution tag in a package's release: "2.fc36" is fedora-36, "1.el8_4" is rhel-8.
 * @return false when there is none that is known
 */
bool retrace_release_from_tag(retrace_release_t *release, const char *package_release);

#endif
