/* SPDX-License-Identifier: Apache-2.0 */
/* Where the packages of a release come from: files in the style of yum.repos.d, one for each release,
 * `RepoConfigDir/<release's directory>.repo`. Known keys are read, all others are ignored. The admin
 * writes them; they are read as text from anywhere. */
#ifndef RETRACE_REPO_CONFIG_H
#define RETRACE_REPO_CONFIG_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <stdbool.h>

#include "lib/error.h"

#define RETRACE_REPO_MAX_BYTES    (1024 * 1024) /* of a file */
#define RETRACE_REPO_MAX_SECTIONS 256           /* of a file */
#define RETRACE_REPO_MAX_VALUES   32            /* of one list */
#define RETRACE_REPO_VALUE_BYTES  2048          /* of one value of a list, and of a single one */
#define RETRACE_REPO_ID_LENGTH    100           /* characters of a section's name */

/** One section. Texts are as the file has them: variables are not replaced yet. */
typedef struct retrace_repo_section_t {
    const char *id;               /* what is between the brackets: letters, digits, `-_.:` */
    const char *name;             /* for people; "" when the file has none */
    bool is_enabled;              /* `enabled`, default 1 */
    apr_array_header_t *baseurls; /* of const char *, in their order; may be empty */
    const char *mirrorlist;       /* NULL: the file has none; so are all below */
    const char *metalink;
    bool gpgcheck;               /* default 1 */
    apr_array_header_t *gpgkeys; /* of const char *, `gpgkey` */
    bool sslverify;              /* default 1 */
    const char *sslcacert;
    const char *sslclientcert;
    const char *sslclientkey;
    const char *proxy; /* `_none_` is kept as it is */
    const char *proxy_username;
    const char *proxy_password;
    const char *username;
    const char *password;
} retrace_repo_section_t;

/** What `$releasever` and `$basearch` stand for. */
typedef struct retrace_repo_variables_t {
    const char *releasever; /* 36, of fedora-36-x86_64 */
    const char *basearch;   /* x86_64; `$arch` is the same */
} retrace_repo_variables_t;

/**
 * Read the sections of a text, in their order; a section `main` is left out.
 * @param psections  of const retrace_repo_section_t *, in p; written only on success
 * @param name       of the file, for err, which begins "<name>:<line>: "
 * @return APR_EINVAL  it is malformed, or exceeds a limit
 */
apr_status_t retrace_repo_config_parse(apr_array_header_t **psections, const char *text,
                                       const char *name, retrace_error_t *err, apr_pool_t *p);

/**
 * The same for the file `<directory>/<release>.repo`.
 * @param release  a plain name: worker_repo_is_name(), or checked by the caller in another way
 * @return APR_ENOENT  there is no such file
 */
apr_status_t retrace_repo_config_read(apr_array_header_t **psections, const char *directory,
                                      const char *release, retrace_error_t *err, apr_pool_t *p);

/**
 * What the variables are for a release's directory: version and architecture are behind the last two
 * dashes.
 * @param variables  in p; written only on success
 * @return false when it is no `<distribution>-<version>-<architecture>`
 */
bool retrace_repo_variables(retrace_repo_variables_t *variables, const char *release,
                            apr_pool_t *p);

/**
 * A URL, or what should be one, without the user name and the password that it may have: for what is
 * told. Of what has no `://` everything is left out up to its last `@`. In p.
 */
const char *retrace_repo_show(const char *url, apr_pool_t *p);

/**
 * Replace `$releasever`, `$basearch`, `$arch`, also written `${…}`.
 * @param ptext  in p; written only on success
 * @return APR_EINVAL  it names another variable
 */
apr_status_t retrace_repo_substitute(const char **ptext, const char *text,
                                     const retrace_repo_variables_t *variables,
                                     retrace_error_t *err, apr_pool_t *p);

/**
 * Replace the variables of a URL, and check that it is one: http, https, or file with an absolute path;
 * printable, without blanks, at most RETRACE_REPO_VALUE_BYTES. Logs show it: a user's name has a key
 * of its own.
 * @param purl  without a '/' at its end, in p
 * @return APR_EINVAL  it is none
 */
apr_status_t retrace_repo_url(const char **purl, const char *text,
                              const retrace_repo_variables_t *variables, retrace_error_t *err,
                              apr_pool_t *p);

#endif
