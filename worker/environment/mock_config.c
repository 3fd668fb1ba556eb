/* SPDX-License-Identifier: Apache-2.0 */
/* See mock_config.h. */
#include "worker/environment/mock_config.h"

#include <apr_lib.h>
#include <apr_strings.h>
#include <string.h>

#include "lib/id.h"
#include "lib/nevra.h"
#include "lib/release.h"

/* What gdb and its start (mock_gdb.c), and mock, need besides what the core asks for. */
#define TOOLS "bash coreutils shadow-utils util-linux gdb"

/* --- Values ---------------------------------------------------------------------------------- */

static bool is_plain(unsigned char c)
{
    return apr_isalnum(c) || (c != '\0' && strchr(" ._+~^:/=,-", c) != NULL);
}

bool worker_mock_literal(const char **pliteral, const char *text, apr_pool_t *p)
{
    static const char digits[] = "0123456789abcdef";
    size_t length = strlen(text);
    char *literal;
    char *to;

    if (length > WORKER_MOCK_TEXT_MAX) {
        return false;
    }
    literal = apr_palloc(p, 4 * length + 3);
    to = literal;
    *to++ = '\'';
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if ((c < 0x20 && c != '\n') || c > 0x7e || c == '{' || c == '}') {
            return false;
        }
        if (is_plain(c)) {
            *to++ = (char)c;
        }
        else {
            *to++ = '\\';
            *to++ = 'x';
            *to++ = digits[c >> 4];
            *to++ = digits[c & 15];
        }
    }
    *to++ = '\'';
    *to = '\0';
    *pliteral = literal;
    return true;
}

const char *worker_mock_url(const char *path, apr_pool_t *p)
{
    static const char digits[] = "0123456789ABCDEF";
    char *url = apr_palloc(p, 3 * strlen(path) + sizeof("file://"));
    char *to = apr_cpystrn(url, "file://", sizeof("file://"));

    for (; *path != '\0'; path++) {
        unsigned char c = (unsigned char)*path;

        if (apr_isalnum(c) || strchr("/._-", c) != NULL) {
            *to++ = (char)c;
        }
        else {
            *to++ = '%';
            *to++ = digits[c >> 4];
            *to++ = digits[c & 15];
        }
    }
    *to = '\0';
    return url;
}

static bool is_arch(const char *text)
{
    size_t length = strlen(text);
    size_t i;

    for (i = 0; i < length; i++) {
        if (!apr_isalnum((unsigned char)text[i]) && text[i] != '_') {
            return false;
        }
    }
    return length > 0;
}

bool worker_mock_is_package(const char *text)
{
    const char *dot = strrchr(text, '.');
    char nevr[RETRACE_NEVRA_MAX];
    retrace_nevra_t parts;

    if (dot == NULL || (size_t)(dot - text) >= sizeof(nevr) || !is_arch(dot + 1)
        || strlen(text) >= sizeof(nevr)) {
        return false;
    }
    (void)apr_cpystrn(nevr, text, (size_t)(dot - text) + 1);
    return retrace_nevra_parse(&parts, nevr);
}

const char *worker_mock_root(uint32_t id, apr_pool_t *p)
{
    return apr_pstrcat(p, "retrace-", retrace_id_format(id).text, NULL);
}

/* fedora-36-x86_64: what follows the last dash, and what is before it. */
static const char *arch_of(const char *repository)
{
    return strrchr(repository, '-') + 1;
}

static const char *version_of(const char *repository, apr_pool_t *p)
{
    char *copy = apr_pstrmemdup(p, repository, (size_t)(arch_of(repository) - 1 - repository));

    return strrchr(copy, '-') + 1;
}

/* --- The file -------------------------------------------------------------------------------- */

/* Only what the admin has configured: no repository of the host's. The name of a package is exact,
 * so what is said to replace it does not; streams of modules do not hide it. What is new in the
 * repository is seen at once. */
static const char *package_manager_conf(const worker_mock_plan_t *plan, apr_pool_t *p)
{
    return apr_pstrcat(p,
                       "[main]\nassumeyes=1\nbest=1\nobsoletes=0\nreposdir=/dev/null\n"
                       "gpgcheck=",
                       plan->keys != NULL ? "1" : "0", "\n[", plan->repository,
                       "]\nname=", plan->repository, "\nenabled=1\nmetadata_expire=1\n",
                       "module_hotfixes=1\nbaseurl=", worker_mock_url(plan->directory, p),
                       "\ngpgcheck=", plan->keys != NULL ? "1\ngpgkey=" : "0",
                       plan->keys != NULL ? worker_mock_url(plan->keys, p) : "", "\n", NULL);
}

static const char *setup_command(const worker_mock_plan_t *plan, apr_pool_t *p)
{
    apr_array_header_t *words = apr_array_make(p, 32, sizeof(const char *));

    APR_ARRAY_PUSH(words, const char *) = "install " TOOLS;
    apr_array_cat(words, plan->packages);
    return apr_array_pstrcat(p, words, ' ');
}

static apr_status_t check(const worker_mock_plan_t *plan, retrace_error_t *err)
{
    int i;

    if (!retrace_release_is_name(plan->repository)
        || !is_arch(strrchr(plan->repository, '-') + 1)) {
        return retrace_fail(err, APR_EINVAL, "a repository has a name that mock does not get");
    }
    if (plan->directory[0] != '/' || (plan->keys != NULL && plan->keys[0] != '/')) {
        return retrace_fail(err, APR_EINVAL, "mock gets absolute paths only");
    }
    for (i = 0; i < plan->packages->nelts; i++) {
        if (!worker_mock_is_package(APR_ARRAY_IDX(plan->packages, i, const char *))) {
            return retrace_fail(err, APR_EINVAL, "a package has a name that mock does not get");
        }
    }
    return APR_SUCCESS;
}

typedef struct setting_t {
    const char *key;
    const char *value;
} setting_t;

/* A bootstrap chroot would be made by downloading a container, and means nothing here: packages are
 * of the crash's release, whoever installs them. The other switches are plugins: with a tmpfs what
 * was installed is gone at the next call. Left alone mock takes a bare chroot where it can make no
 * container: gdb would see, and could read, what other tasks have in theirs. That is for the admin to
 * say, not for mock. */
static const char head[] = "config_opts['use_bootstrap'] = False\n"
                           "config_opts['plugin_conf']['tmpfs_enable'] = False\n"
                           "config_opts['plugin_conf']['root_cache_enable'] = False\n"
                           "config_opts['plugin_conf']['package_state_enable'] = False\n"
                           "config_opts['plugin_conf']['hw_info_enable'] = False\n"
                           "config_opts['plugin_conf']['ccache_enable'] = False\n"
                           "config_opts['rpmbuild_networking'] = False\n"
                           "config_opts['use_host_resolv'] = False\n"
                           "if config_opts.get('isolation') == 'auto' or not (\n"
                           "        config_opts.get('isolation') or "
                           "config_opts.get('use_nspawn') is False):\n"
                           "    config_opts['isolation'] = 'nspawn'\n";

static apr_status_t write_settings(const char **ptext, const setting_t *settings, size_t count,
                                   retrace_error_t *err, apr_pool_t *p)
{
    const char *text = head;
    size_t i;

    for (i = 0; i < count; i++) {
        const char *literal = NULL;

        if (!worker_mock_literal(&literal, settings[i].value, p)) {
            return retrace_fail(err, APR_EINVAL, "mock does not get this value of %s",
                                settings[i].key);
        }
        text = apr_pstrcat(p, text, "config_opts['", settings[i].key, "'] = ", literal, "\n", NULL);
    }
    *ptext = text;
    return APR_SUCCESS;
}

apr_status_t worker_mock_config(const char **ptext, const worker_mock_plan_t *plan,
                                retrace_error_t *err, apr_pool_t *p)
{
    apr_status_t rv = check(plan, err);

    if (rv == APR_SUCCESS) {
        const setting_t settings[] = {
            { "root", worker_mock_root(plan->id, p) },
            { "target_arch", arch_of(plan->repository) },
            { "releasever", version_of(plan->repository, p) },
            { "chroot_setup_cmd", setup_command(plan, p) },
            { "dnf.conf", package_manager_conf(plan, p) },
        };

        rv = write_settings(ptext, settings, sizeof(settings) / sizeof(settings[0]), err, p);
    }
    return rv;
}
