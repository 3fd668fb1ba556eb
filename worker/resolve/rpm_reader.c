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
#include <rpm/rpmpgp.h>
#include <rpm/rpmts.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/checksum.h"
#include "lib/key_file.h"
#include "worker/resolve/rpm_keys.h"

#define REASON_MAX 160 /* characters of what librpm says */
#define STRIPPED   ".stripped.rpm"

struct worker_rpm_t {
    rpmts transaction;
    rpmKeyring keyring;
    const char *key_file; /* NULL: signatures are not looked at */
    struct stat key_info; /* of that file, when its keys were read */
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
    return rv == APR_SUCCESS ? worker_keys_load(rpm->keyring, &rpm->key_info, rpm->key_file, err, p)
                             : rv;
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
    const struct stat *info = &rpm->key_info;

    if (rpm->key_file == NULL) {
        return "";
    }
    return apr_psprintf(p,
                        "%s %" APR_UINT64_T_FMT " %" APR_INT64_T_FMT " %" APR_INT64_T_FMT
                        ".%09ld %" APR_INT64_T_FMT ".%09ld",
                        rpm->key_file, (apr_uint64_t)info->st_ino, (apr_int64_t)info->st_size,
                        (apr_int64_t)info->st_mtim.tv_sec, info->st_mtim.tv_nsec,
                        (apr_int64_t)info->st_ctim.tv_sec, info->st_ctim.tv_nsec);
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

bool worker_rpm_is_stripped(const char *file)
{
    size_t length = strlen(file);

    return length > strlen(STRIPPED) && strcmp(file + length - strlen(STRIPPED), STRIPPED) == 0;
}

apr_status_t worker_rpm_verify_header(worker_rpm_t *rpm, const char *path, retrace_error_t *err,
                                      apr_pool_t *scratch)
{
    return verify(rpm, path, RPMVSF_NEEDPAYLOAD, err, scratch);
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
    package->source = string_of(header, RPMTAG_SOURCERPM, p);
    package->files = apr_array_make(p, 4, sizeof(worker_package_file_t));
    list_files(package, header, p);
    return package;
}

/* Of a package that was verified before. @param pheader  for headerFree() */
static apr_status_t read_header(Header *pheader, worker_rpm_t *rpm, const char *path,
                                retrace_error_t *err)
{
    FD_t file = Fopen(path, "r.ufdio");
    apr_status_t rv;

    if (file == NULL) {
        return retrace_fail(err, APR_EINVAL, "it cannot be read");
    }
    (void)rpmtsSetVSFlags(rpm->transaction, RPMVSF_MASK_NOSIGNATURES);
    begin_listening(rpm);
    (void)rpmReadPackageFile(rpm->transaction, file, path, pheader);
    rv = end_listening(rpm, *pheader != NULL, err);
    (void)Fclose(file);
    return rv;
}

apr_status_t worker_rpm_read(worker_package_t **ppackage, worker_rpm_t *rpm, const char *path,
                             retrace_error_t *err, apr_pool_t *p)
{
    Header header = NULL;
    apr_status_t rv = worker_rpm_verify_header(rpm, path, err, p);

    if (rv == APR_SUCCESS) {
        rv = read_header(&header, rpm, path, err);
    }
    if (rv == APR_SUCCESS) {
        *ppackage = take_header(header, p);
        headerFree(header);
    }
    return rv;
}

/* --- Files of reduced packages --------------------------------------------------------------- */

static const char *type_of(int algorithm)
{
    static const struct {
        int algorithm;
        const char *type;
    } known[] = { { PGPHASHALGO_SHA256, "sha256" },
                  { PGPHASHALGO_SHA384, "sha384" },
                  { PGPHASHALGO_SHA512, "sha512" } };
    size_t i;

    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i].algorithm == algorithm) {
            return known[i].type;
        }
    }
    return "none";
}

static void spell(char text[RETRACE_CHECKSUM_DIGITS + 1], const unsigned char *digest,
                  size_t length)
{
    size_t i;

    text[0] = '\0';
    for (i = 0; i < length && i < RETRACE_CHECKSUM_DIGITS / 2; i++) {
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    }
}

/* @return false when the header has no checksum of this file that counts: MD5 does not */
static bool find_digest(retrace_checksum_t *checksum, Header header, const char *name)
{
    rpmfiles files = rpmfilesNew(NULL, header, 0, RPMFI_FLAGS_QUERY);
    int index = files != NULL ? rpmfilesFindFN(files, name) : -1;
    char text[RETRACE_CHECKSUM_DIGITS + 1] = "";
    int algorithm = 0;
    size_t length = 0;
    const unsigned char *digest =
        index >= 0 ? rpmfilesFDigest(files, index, &algorithm, &length) : NULL;

    if (digest != NULL) {
        spell(text, digest, length);
    }
    rpmfilesFree(files);
    return retrace_checksum_parse(checksum, type_of(algorithm), text);
}

apr_status_t worker_rpm_check_file(worker_rpm_t *rpm, const char *path, const char *name, int fd,
                                   retrace_error_t *err)
{
    retrace_checksum_t checksum;
    Header header = NULL;
    retrace_error_t why;
    bool is_found;
    apr_status_t rv = read_header(&header, rpm, path, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    is_found = find_digest(&checksum, header, name);
    headerFree(header);
    if (!is_found) {
        return retrace_fail(err, APR_EINVAL, "its header has no SHA-2 checksum of %s", name);
    }
    rv = retrace_checksum_verify(&checksum, fd, &why);
    return rv == APR_SUCCESS ? rv : retrace_fail(err, APR_EINVAL, "%s: %s", name, why.text);
}
