/* SPDX-License-Identifier: Apache-2.0 */
/* See release.h. A distribution that is not in the table is named by its first word. */
#include "lib/release.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

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
