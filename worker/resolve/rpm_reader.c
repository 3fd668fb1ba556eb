/* SPDX-License-Identifier: Apache-2.0 */
/* See rpm_reader.h. A package without a signature is fine to rpmReadPackageFile(): only
 * rpmcliVerifySignatures() with a level demands one. */
#include "worker/resolve/rpm_reader.h"

#include <apr_strings.h>
#include <rpm/header.h>
#include <rpm/rpmcli.h>
#include <rpm/rpmfiles.h>
#include <rpm/rpmkeyring.h>
#include <rpm/rpmlib.h>
#include <rpm/rpmlog.h>
#include <rpm/rpmts.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/key_file.h"
#include "worker/resolve/rpm_keys.h"

#define REASON_MAX 160 /* characters of what librpm says */

struct worker_rpm_t {
    rpmts transaction;
    rpmKeyring keyring;
    const char *key_file; /* NULL: signatures are not looked at */
    char reason[REASON_MAX];
    int weight; /* of the reason: see weigh */
};

/* --- What librpm says ---------------------------------------------------------------------- */

/* Of all lines about a package the one that explains most. */
static int weigh(const char *line)
{
    static const char *const words[] = { ": NOTFOUND", ": BAD", ": NOTTRUSTED", ": NOKEY" };
    int i;

    for (i = (int)(sizeof(words) / sizeof(words[0])); i > 0; i--) {
        if (strstr(line, words[i - 1]) != NULL) {
            return i;
        }
    }
    return 0;
}

static int take_line(rpmlogRec record, rpmlogCallbackData data)
{
    worker_rpm_t *rpm = data;
    const char *line = rpmlogRecMessage(record);
    const char *path = strstr(line, "/proc/self/fd/");
    int weight = weigh(line);

    if (weight <= rpm->weight) {
        return 0;
    }
    if (path != NULL && strstr(path, ": ") != NULL) {
        line = strstr(path, ": ") + 2;
    }
    line += strspn(line, " ");
    rpm->weight = weight;
    (void)apr_cpystrn(rpm->reason, line, sizeof(rpm->reason));
    rpm->reason[strcspn(rpm->reason, "(\n")] = '\0';
    return 0;
}

static void begin_listening(worker_rpm_t *rpm)
{
    rpm->weight = 0;
    rpm->reason[0] = '\0';
    (void)rpmlogSetCallback(take_line, rpm);
}

static apr_status_t end_listening(worker_rpm_t *rpm, bool is_good, retrace_error_t *err)
{
    (void)rpmlogSetCallback(NULL, NULL);
    if (is_good) {
        return APR_SUCCESS;
    }
    switch (rpm->weight) {
    case 0:
        return retrace_fail(err, APR_EINVAL, "it is no RPM package");
    case 1:
        return retrace_fail(err, APR_EINVAL, "it is not signed");
    case 2:
        return retrace_fail(err, APR_EINVAL, "it is damaged: %s", rpm->reason);
    default:
        return retrace_fail(err, APR_EINVAL, "it is not signed with a key of %s: %s", rpm->key_file,
                            rpm->reason);
    }
}

/* --- Opening ------------------------------------------------------------------------------- */

static apr_status_t release_rpm(void *data)
{
    worker_rpm_t *rpm = data;

    rpm->keyring = rpmKeyringFree(rpm->keyring);
    rpm->transaction = rpmtsFree(rpm->transaction);
    return APR_SUCCESS;
}

static apr_status_t load_keys(worker_rpm_t *rpm, const retrace_config_t *config,
                              const char *release, retrace_error_t *err, apr_pool_t *p)
{
    apr_status_t rv;

    if (!worker_keys_are_required(config, release)) {
        return APR_SUCCESS;
    }
    rv = retrace_key_file_find(&rpm->key_file, config->gpg_key_dir, release, err, p);
    return rv == APR_SUCCESS ? worker_keys_load(rpm->keyring, rpm->key_file, err, p) : rv;
}

apr_status_t worker_rpm_open(worker_rpm_t **prpm, const retrace_config_t *config,
                             const char *release, retrace_error_t *err, apr_pool_t *p)
{
    worker_rpm_t *rpm = apr_pcalloc(p, sizeof(*rpm));
    apr_status_t rv;

    if (rpmReadConfigFiles(NULL, NULL) != 0) {
        return retrace_fail(err, APR_EGENERAL, "librpm cannot read its configuration");
    }
    /* The lines about each signature come at this level. */
    (void)rpmSetVerbosity(RPMLOG_INFO);
    rpm->transaction = rpmtsCreate();
    rpm->keyring = rpmKeyringNew();
    apr_pool_cleanup_register(p, rpm, release_rpm, apr_pool_cleanup_null);
    /* With a keyring of its own a transaction set does not load the host's. */
    if (rpmtsSetKeyring(rpm->transaction, rpm->keyring) != 0) {
        return retrace_fail(err, APR_EGENERAL, "librpm takes no keyring");
    }
    rv = load_keys(rpm, config, release, err, p);
    if (rv == APR_SUCCESS) {
        *prpm = rpm;
    }
    return rv;
}

const char *worker_rpm_trust(const worker_rpm_t *rpm, apr_pool_t *p)
{
    struct stat info;

    if (rpm->key_file == NULL || stat(rpm->key_file, &info) != 0) {
        return "";
    }
    return apr_psprintf(p, "%s %" APR_INT64_T_FMT " %" APR_INT64_T_FMT ".%09ld", rpm->key_file,
                        (apr_int64_t)info.st_size, (apr_int64_t)info.st_mtim.tv_sec,
                        info.st_mtim.tv_nsec);
}

/* --- Verifying ----------------------------------------------------------------------------- */

static apr_status_t verify(worker_rpm_t *rpm, const char *path, rpmVSFlags flags,
                           retrace_error_t *err, apr_pool_t *p)
{
    char *const paths[] = { apr_pstrdup(p, path), NULL };
    int level = RPMSIG_DIGEST_TYPE;
    bool is_good;

    if (rpm->key_file != NULL) {
        level |= RPMSIG_SIGNATURE_TYPE;
    }
    else {
        flags |= RPMVSF_MASK_NOSIGNATURES;
    }
    (void)rpmtsSetVfyLevel(rpm->transaction, level);
    (void)rpmtsSetVfyFlags(rpm->transaction, flags);
    begin_listening(rpm);
    is_good = rpmcliVerifySignatures(rpm->transaction, paths) == 0;
    return end_listening(rpm, is_good, err);
}

apr_status_t worker_rpm_verify(worker_rpm_t *rpm, const char *path, retrace_error_t *err,
                               apr_pool_t *scratch)
{
    return verify(rpm, path, RPMVSF_DEFAULT, err, scratch);
}

/* --- Headers ------------------------------------------------------------------------------- */

static const char *string_of(Header header, rpmTagVal tag, apr_pool_t *p)
{
    const char *text = headerGetString(header, tag);

    return text != NULL ? apr_pstrdup(p, text) : "";
}

static const char *epoch_of(Header header, apr_pool_t *p)
{
    return headerIsEntry(header, RPMTAG_EPOCH)
        ? apr_psprintf(p, "%" APR_UINT64_T_FMT, (apr_uint64_t)headerGetNumber(header, RPMTAG_EPOCH))
        : "";
}

static void list_files(worker_package_t *package, Header header, apr_pool_t *p)
{
    rpmfiles files = rpmfilesNew(NULL, header, RPMTAG_BASENAMES, RPMFI_FLAGS_QUERY);
    int count = files != NULL ? rpmfilesFC(files) : 0;
    worker_package_file_t file;
    int i;

    for (i = 0; i < count && i < WORKER_RPM_MAX_FILES; i++) {
        const char *directory = rpmfilesDN(files, rpmfilesDI(files, i));
        const char *name = rpmfilesBN(files, i);
        const char *link = rpmfilesFLink(files, i);

        if (directory != NULL && name != NULL
            && worker_package_file(&file, directory, name, link != NULL ? link : "", p)) {
            APR_ARRAY_PUSH(package->files, worker_package_file_t) = file;
        }
    }
    rpmfilesFree(files);
}

static worker_package_t *take_header(Header header, apr_pool_t *p)
{
    worker_package_t *package = apr_palloc(p, sizeof(*package));

    package->name = string_of(header, RPMTAG_NAME, p);
    package->epoch = epoch_of(header, p);
    package->version = string_of(header, RPMTAG_VERSION, p);
    package->release = string_of(header, RPMTAG_RELEASE, p);
    package->arch = string_of(header, RPMTAG_ARCH, p);
    package->files = apr_array_make(p, 4, sizeof(worker_package_file_t));
    list_files(package, header, p);
    return package;
}

apr_status_t worker_rpm_read(worker_package_t **ppackage, worker_rpm_t *rpm, const char *path,
                             retrace_error_t *err, apr_pool_t *p)
{
    Header header = NULL;
    FD_t file;
    apr_status_t rv = verify(rpm, path, RPMVSF_NEEDPAYLOAD, err, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    file = Fopen(path, "r.ufdio");
    if (file == NULL) {
        return retrace_fail(err, APR_EINVAL, "it cannot be read");
    }
    (void)rpmtsSetVSFlags(rpm->transaction, RPMVSF_MASK_NOSIGNATURES);
    begin_listening(rpm);
    (void)rpmReadPackageFile(rpm->transaction, file, path, &header);
    rv = end_listening(rpm, header != NULL, err);
    (void)Fclose(file);
    if (rv == APR_SUCCESS) {
        *ppackage = take_header(header, p);
        headerFree(header);
    }
    return rv;
}
