/* SPDX-License-Identifier: Apache-2.0 */
/* See nevra.h. Parts are cut from the right: a name may hold dashes, a version may not. */
#include "lib/nevra.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static bool is_good(const char *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+~^-";

    return isalnum((unsigned char)text[0]) && strspn(text, allowed) == strlen(text);
}

/* Takes "2:" off the beginning. @return false when there is a colon, but no epoch before it */
static bool cut_epoch(retrace_nevra_t *nevra, char **ptext)
{
    char *colon = strchr(*ptext, ':');
    size_t digits = strspn(*ptext, "0123456789");

    if (colon == NULL) {
        return true;
    }
    if (nevra->epoch[0] != '\0' || digits == 0 || *ptext + digits != colon
        || digits >= sizeof(nevra->epoch)) {
        return false;
    }
    *colon = '\0';
    memcpy(nevra->epoch, *ptext, digits + 1);
    *ptext = colon + 1;
    return true;
}

/* Takes "-1.fc36" off the end. */
static char *cut_part(char *text)
{
    char *dash = strrchr(text, '-');

    if (dash != NULL) {
        *dash++ = '\0';
    }
    return dash;
}

bool retrace_nevra_parse(retrace_nevra_t *nevra, const char *text)
{
    retrace_nevra_t parts = { .epoch = "" };
    char buffer[RETRACE_NEVRA_MAX];
    char *name = buffer;
    char *version;
    char *release;

    if (strlen(text) >= sizeof(buffer)) {
        return false;
    }
    memcpy(buffer, text, strlen(text) + 1);
    release = cut_part(buffer);
    version = release != NULL ? cut_part(buffer) : NULL;
    if (version == NULL || !cut_epoch(&parts, &name) || !cut_epoch(&parts, &version)
        || !is_good(name) || !is_good(version) || !is_good(release)) {
        return false;
    }
    snprintf(parts.name, sizeof(parts.name), "%s", name);
    snprintf(parts.version, sizeof(parts.version), "%s", version);
    snprintf(parts.release, sizeof(parts.release), "%s", release);
    *nevra = parts;
    return true;
}
