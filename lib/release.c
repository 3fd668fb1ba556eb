/* SPDX-License-Identifier: Apache-2.0 */
/* See release.h. A distribution that is not in the table is named by its first word. */
#include "lib/release.h"

#include <apr_strings.h>
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/fs.h"

/* Long names whose first word would not do, and tags of packages. */
typedef struct distribution_t {
    const char *id;
    const char *name; /* how its text begins; NULL: by its first word */
    const char *tag;  /* in a package's release; NULL: none */
} distribution_t;

static const distribution_t distributions[] = {
    { "fedora", NULL, "fc" },
    { "rhel", "Red Hat Enterprise Linux", "el" },
    { "rhel", "RHEL", NULL },
    { "centos", NULL, NULL },
    { "opensuse-leap", "openSUSE Leap", NULL },
};

#define COUNT (sizeof(distributions) / sizeof(distributions[0]))

static bool make_id(retrace_release_t *release, const char *name, size_t name_length,
                    const char *version, size_t version_length)
{
    size_t i;

    if (name_length == 0 || !isalpha((unsigned char)name[0]) || version_length == 0
        || name_length + version_length + 2 > sizeof(release->text)) {
        return false;
    }
    for (i = 0; i < name_length; i++) {
        if (!isalnum((unsigned char)name[i]) && name[i] != '-') {
            return false;
        }
    }
    snprintf(release->text, sizeof(release->text), "%.*s-%.*s", (int)name_length, name,
             (int)version_length, version);
    for (i = 0; release->text[i] != '\0'; i++) {
        release->text[i] = (char)tolower((unsigned char)release->text[i]);
    }
    return true;
}

/* "36", "7.9" or "rawhide", wherever it stands. */
static const char *find_version(size_t *plength, const char *text, const char *end)
{
    const char *at;

    for (at = text; at < end; at++) {
        bool begins = at == text || at[-1] == ' ' || at[-1] == '-';

        if (begins && isdigit((unsigned char)at[0])) {
            *plength = strspn(at, "0123456789.");
            return at;
        }
        if (begins && strncasecmp(at, "rawhide", 7) == 0) {
            *plength = 7;
            return at;
        }
    }
    return NULL;
}

static const distribution_t *find_name(const char *text)
{
    size_t i;

    for (i = 0; i < COUNT; i++) {
        const char *name = distributions[i].name;

        if (name != NULL && strncasecmp(text, name, strlen(name)) == 0) {
            return &distributions[i];
        }
    }
    return NULL;
}

bool retrace_release_from_text(retrace_release_t *release, const char *text)
{
    const char *end = text + strcspn(text, "\n(");
    const distribution_t *known = find_name(text);
    const char *name = known != NULL ? known->id : text;
    const char *version;
    size_t length = 0;

    version = find_version(&length, text, end);
    if (version == NULL) {
        return false;
    }
    while (length > 0 && version[length - 1] == '.') {
        length--;
    }
    return make_id(release, name, known != NULL ? strlen(name) : strcspn(name, " -"), version,
                   length);
}

bool retrace_release_from_tag(retrace_release_t *release, const char *package_release)
{
    size_t i;

    for (i = 0; i < COUNT; i++) {
        const char *tag = distributions[i].tag;
        const char *at = package_release;

        while (tag != NULL && (at = strchr(at, '.')) != NULL) {
            at++;
            if (strncmp(at, tag, strlen(tag)) == 0 && isdigit((unsigned char)at[strlen(tag)])) {
                at += strlen(tag);
                return make_id(release, distributions[i].id, strlen(distributions[i].id), at,
                               strspn(at, "0123456789"));
            }
        }
    }
    return false;
}

/* --- Releases with their architectures ------------------------------------------------------- */

bool retrace_release_is_name(const char *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const char *dash = strchr(text, '-');

    return text[0] != '.' && text[0] != '-' && strlen(text) <= RETRACE_RELEASE_NAME_MAX
        && strspn(text, allowed) == strlen(text) && dash != NULL && strchr(dash + 1, '-') != NULL;
}

static int compare_names(const void *a, const void *b)
{
    return strverscmp(*(const char *const *)a, *(const char *const *)b);
}

typedef struct listing_t {
    apr_array_header_t *names;
    int fd;
} listing_t;

static bool take_release(void *baton, const char *name)
{
    listing_t *listing = baton;
    apr_pool_t *p = listing->names->pool;

    if (retrace_release_is_name(name)
        && faccessat(listing->fd, apr_pstrcat(p, name, "/repodata", NULL), F_OK, 0) == 0) {
        APR_ARRAY_PUSH(listing->names, const char *) = apr_pstrdup(p, name);
    }
    return listing->names->nelts < RETRACE_RELEASES_MAX;
}

apr_array_header_t *retrace_release_names(const char *repo_dir, apr_pool_t *p)
{
    listing_t listing = { apr_array_make(p, 8, sizeof(const char *)), -1 };

    listing.fd = open(repo_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (listing.fd >= 0) {
        (void)retrace_fs_each(listing.fd, take_release, &listing, NULL);
        (void)close(listing.fd);
    }
    qsort(listing.names->elts, (size_t)listing.names->nelts, sizeof(const char *), compare_names);
    return listing.names;
}

static const char *find(const apr_array_header_t *names, const char *name)
{
    int i;

    for (i = 0; i < names->nelts; i++) {
        if (strcmp(APR_ARRAY_IDX(names, i, const char *), name) == 0) {
            return APR_ARRAY_IDX(names, i, const char *);
        }
    }
    return NULL;
}

/* The parts of a release's name, in p. */
typedef struct parts_t {
    const char *distribution; /* may have dashes */
    char *version;            /* has none */
    const char *arch;
} parts_t;

static parts_t cut(const char *name, apr_pool_t *p)
{
    parts_t parts;
    char *text = apr_pstrdup(p, name);
    char *arch = strrchr(text, '-');
    char *version;

    *arch++ = '\0';
    version = strrchr(text, '-');
    *version++ = '\0';
    parts.distribution = text;
    parts.version = version;
    parts.arch = arch;
    return parts;
}

static const char *join(const char *distribution, const char *version, const char *arch,
                        apr_pool_t *p)
{
    return apr_pstrcat(p, distribution, "-", version, "-", arch, NULL);
}

#define CENTOS        "centos"
#define CENTOS_STREAM "centos-stream"

/* Of these a repository of the major release holds all minor ones. */
static const char *const rolling[] = { "rhel", CENTOS, CENTOS_STREAM, "almalinux", "rocky", "ol" };

static bool is_rolling(const char *distribution)
{
    size_t i;

    for (i = 0; i < sizeof(rolling) / sizeof(rolling[0]); i++) {
        if (strcmp(rolling[i], distribution) == 0) {
            return true;
        }
    }
    return false;
}

/* NULL when the distribution has one name only. */
static const char *other_name(const char *distribution)
{
    if (strcmp(distribution, CENTOS) == 0) {
        return CENTOS_STREAM;
    }
    return strcmp(distribution, CENTOS_STREAM) == 0 ? CENTOS : NULL;
}

const char *retrace_release_serving(const apr_array_header_t *names, const char *name,
                                    apr_pool_t *p)
{
    const char *found = find(names, name);
    parts_t parts;

    if (found != NULL || !retrace_release_is_name(name)) {
        return found;
    }
    parts = cut(name, p);
    if (!is_rolling(parts.distribution)) {
        return NULL;
    }
    parts.version[strcspn(parts.version, ".")] = '\0';
    found = find(names, join(parts.distribution, parts.version, parts.arch, p));
    if (found == NULL && other_name(parts.distribution) != NULL) {
        found = find(names, join(other_name(parts.distribution), parts.version, parts.arch, p));
    }
    return found;
}

/* The last minor release that there was or will be; clients of RHEL before 8.6 name theirs. */
static int last_minor(const char *version)
{
    static const struct {
        const char *major;
        int minor;
    } ended[] = { { "5", 11 }, { "6", 10 }, { "7", 9 } };
    size_t i;

    for (i = 0; i < sizeof(ended) / sizeof(ended[0]); i++) {
        if (strcmp(ended[i].major, version) == 0) {
            return ended[i].minor;
        }
    }
    return 10;
}

void retrace_release_add_aliases(apr_array_header_t *aliases, const char *name)
{
    apr_pool_t *p = aliases->pool;
    parts_t parts = cut(name, p);
    int minor = -1;

    if (other_name(parts.distribution) != NULL) {
        APR_ARRAY_PUSH(aliases, const char *) =
            join(other_name(parts.distribution), parts.version, parts.arch, p);
    }
    if (strcmp(parts.distribution, "rhel") == 0
        && strspn(parts.version, "0123456789") == strlen(parts.version)) {
        minor = last_minor(parts.version);
    }
    for (; minor >= 0; minor--) {
        APR_ARRAY_PUSH(aliases, const char *) =
            join(parts.distribution, apr_psprintf(p, "%s.%d", parts.version, minor), parts.arch, p);
    }
}
