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
#include "mod_retrace/packages.h"
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

/* Whether a release has a file of this name: `<RepoDir>/<release>/[Packages/[b/]]<package>.rpm`, the
 * layouts of mirrors. */
static bool has_file(const retrace_config_t *config, const char *release, const char *package,
                     apr_pool_t *p)
{
    const char *letter = apr_psprintf(p, "Packages/%c/", tolower((unsigned char)package[0]));
    const char *const places[] = { "", "Packages/", letter };
    size_t i;

    for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (access(apr_pstrcat(p, config->repo_dir, "/", release, "/", places[i], package, ".rpm",
                               NULL),
                   F_OK)
            == 0) {
            return true;
        }
    }
    return false;
}

/* As the list of its packages says; while there is none yet, as its directories look. */
static bool has_package(const retrace_config_t *config, const char *release,
                        const apr_array_header_t *packages, apr_pool_t *p)
{
    mr_packages_answer_t answer = mr_packages_has(config, release, packages, p);
    int i;

    for (i = 0; answer == MR_PACKAGES_UNKNOWN && i < packages->nelts; i++) {
        if (has_file(config, release, APR_ARRAY_IDX(packages, i, const char *), p)) {
            return true;
        }
    }
    return answer == MR_PACKAGES_YES;
}

/* The packages that are meant, as name-version-release.arch. The epoch does not count: some clients
 * do not tell it, and no two packages of a release differ in it alone. */
static apr_array_header_t *list_packages(const retrace_nevra_t *nevra, const char *arch,
                                         apr_pool_t *p)
{
    apr_array_header_t *packages = apr_array_make(p, 8, sizeof(const char *));
    const char *stem =
        apr_pstrcat(p, nevra->name, "-", nevra->version, "-", nevra->release, ".", NULL);
    size_t i;
    int j;

    APR_ARRAY_PUSH(packages, const char *) = apr_pstrcat(p, stem, arch, NULL);
    APR_ARRAY_PUSH(packages, const char *) = apr_pstrcat(p, stem, "noarch", NULL);
    for (i = 0; i < FAMILIES; i++) {
        for (j = 0; strcmp(families[i][0], arch) == 0 && families[i][j] != NULL; j++) {
            APR_ARRAY_PUSH(packages, const char *) = apr_pstrcat(p, stem, families[i][j], NULL);
        }
    }
    return packages;
}

/* @param release  NULL: any */
static bool is_known(const retrace_config_t *config, const apr_array_header_t *packages,
                     const char *release, apr_pool_t *p)
{
    const apr_array_header_t *releases = retrace_release_names(config->repo_dir, p);
    int i;

    if (release != NULL) {
        release = retrace_release_serving(releases, release, p);
        return release != NULL && has_package(config, release, packages, p);
    }
    for (i = 0; i < releases->nelts; i++) {
        if (has_package(config, APR_ARRAY_IDX(releases, i, const char *), packages, p)) {
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
    if (!is_known(mr_server_of(r->server)->config, list_packages(&nevra, arch, r->pool), release,
                  r->pool)) {
        return mr_reply_refusal(r, HTTP_NOT_FOUND, "The package is not known here.");
    }
    /* Without Location: libsoup would follow it. */
    return mr_reply_text(r, HTTP_MOVED_TEMPORARILY, "The package is known.");
}
