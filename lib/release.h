/* SPDX-License-Identifier: Apache-2.0 */
/* Which release of which distribution a crash is of: `fedora-36`, `rhel-7.9`, `debian-12`. From the
 * free text that clients send, or from the tag in a package's release. And with its architecture,
 * `fedora-36-x86_64`: the name of a repository's directory below RepoDir. Pure but for
 * retrace_release_names. */
#ifndef RETRACE_RELEASE_H
#define RETRACE_RELEASE_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <stdbool.h>

#define RETRACE_RELEASE_MAX      64  /* bytes of such an id, with the NUL */
#define RETRACE_RELEASE_NAME_MAX 100 /* characters of a name with the architecture */
#define RETRACE_RELEASES_MAX     256 /* that are looked at below RepoDir */

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

/** Is this `<distribution>-<version>-<architecture>`? Letters, digits and `._-`, with two dashes, no
 * dot nor dash at the beginning: safe as a directory's name. */
bool retrace_release_is_name(const char *text);

/**
 * The releases below RepoDir: directories of such a name that have `repodata/`.
 * @return of const char *, in the order of their versions, in p; empty when there is no RepoDir
 */
apr_array_header_t *retrace_release_names(const char *repo_dir, apr_pool_t *p);

/**
 * Which release serves another one? `rhel-8.6-x86_64` is served by `rhel-8-x86_64`, since their
 * repositories hold all minor releases, and `centos-stream-9-x86_64` and `centos-9-x86_64` are two
 * names of one.
 * @param names  of const char *: the releases that there are
 * @return the name itself if it is one of them, else the one that serves it, else NULL
 */
const char *retrace_release_serving(const apr_array_header_t *names, const char *name,
                                    apr_pool_t *p);

/**
 * Other names under which clients ask for a release, newest first: the minor releases of
 * `rhel-8-x86_64`, the other name of a CentOS. Clients compare whole names.
 * @param aliases  of const char *; they are added to it, in its pool
 */
void retrace_release_add_aliases(apr_array_header_t *aliases, const char *name);

#endif
