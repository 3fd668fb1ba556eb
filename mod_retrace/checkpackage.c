/* SPDX-License-Identifier: Apache-2.0 */
/* GET /checkpackage: do the repositories have this package? 302 means yes and 404 no: that is what
 * deployed clients know. */
#include "mod_retrace/mod_retrace.h"

#include <apr_strings.h>
#include <ctype.h>
#include <string.h>
#include <unistd.h>

#include "lib/nevra.h"
#include "lib/release.h"
#include "mod_retrace/reply.h"
#include "mod_retrace/route.h"

#define ARCH_MAX 16 /* characters of an architecture's name */

/* Packages of these architectures run on the first one's machines. */
static const char *const families[][8] = {
    { "i386", "i486", "i586", "i686", NULL },
    { "armhfp", "armv5tel", "armv6hl", "armv7l", "armv7hl", "armv7hnl", NULL },
};

#define FAMILIES (sizeof(families) / sizeof(families[0]))

static bool is_arch(const char *text)
{
    return text[0] != '\0' && strlen(text) <= ARCH_MAX
        && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(text);
}

/* `<RepoDir>/<release>/[Packages/[b/]]bash-5.1-2.fc36.x86_64.rpm`: the layouts of mirrors. */
static bool has_file(const char *repository, const retrace_nevra_t *nevra, const char *arch,
                     apr_pool_t *p)
{
    const char *file = apr_pstrcat(p, nevra->name, "-", nevra->version, "-", nevra->release, ".",
                                   arch, ".rpm", NULL);
    const char *letter = apr_psprintf(p, "Packages/%c/", tolower((unsigned char)nevra->name[0]));
    const char *const places[] = { "", "Packages/", letter };
    size_t i;

    for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (access(apr_pstrcat(p, repository, "/", places[i], file, NULL), F_OK) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_package(const char *repository, const retrace_nevra_t *nevra, const char *arch,
                        apr_pool_t *p)
{
    size_t i;
    int j;

    if (has_file(repository, nevra, arch, p) || has_file(repository, nevra, "noarch", p)) {
        return true;
    }
    for (i = 0; i < FAMILIES; i++) {
        for (j = 0; strcmp(families[i][0], arch) == 0 && families[i][j] != NULL; j++) {
            if (has_file(repository, nevra, families[i][j], p)) {
                return true;
            }
        }
    }
    return false;
}

static bool is_known(const retrace_config_t *config, const retrace_nevra_t *nevra, const char *arch,
                     const char *release, apr_pool_t *p)
{
    const apr_array_header_t *releases = retrace_release_names(config->repo_dir, p);
    int i;

    for (i = 0; i < releases->nelts; i++) {
        const char *id = APR_ARRAY_IDX(releases, i, const char *);

        if ((release == NULL || strcmp(id, release) == 0)
            && has_package(apr_pstrcat(p, config->repo_dir, "/", id, NULL), nevra, arch, p)) {
            return true;
        }
    }
    return false;
}

int mr_checkpackage(request_rec *r)
{
    const char *package = apr_table_get(r->headers_in, "X-Package-NVR");
    const char *arch = apr_table_get(r->headers_in, "X-Package-Arch");
    const char *release = apr_table_get(r->headers_in, "X-OS-Release");
    retrace_nevra_t nevra;

    if (package == NULL || !retrace_nevra_parse(&nevra, package)) {
        return mr_reply_refusal(r, HTTP_FORBIDDEN,
                                "X-Package-NVR must be name-version-release of a package.");
    }
    if (arch == NULL || !is_arch(arch)) {
        return mr_reply_refusal(r, HTTP_FORBIDDEN, "X-Package-Arch must be an architecture.");
    }
    if (release != NULL && !retrace_release_is_name(release)) {
        return mr_reply_refusal(r, HTTP_FORBIDDEN,
                                "X-OS-Release must be distribution-version-architecture.");
    }
    if (!is_known(mr_server_of(r->server)->config, &nevra, arch, release, r->pool)) {
        return mr_reply_refusal(r, HTTP_NOT_FOUND, "The package is not known here.");
    }
    /* Without Location: libsoup would follow it. */
    return mr_reply_text(r, HTTP_MOVED_TEMPORARILY, "The package is known.");
}
