/* SPDX-License-Identifier: Apache-2.0 */
/* See repodata.h: what is collected out of the elements of both files. */
#include "worker/resolve/repodata.h"

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "worker/resolve/package.h"

#define PROVIDED "debuginfo(build-id)"

worker_repodata_t *worker_repodata_make(const apr_hash_t *known, apr_pool_t *p)
{
    worker_repodata_t *data = apr_pcalloc(p, sizeof(*data));

    data->packages = apr_array_make(p, 1024, sizeof(worker_remote_t));
    data->keys = apr_array_make(p, 4096, sizeof(worker_remote_key_t));
    data->kept = apr_hash_make(p);
    data->by_checksum = apr_hash_make(p);
    data->known = known;
    data->pool = p;
    return data;
}

/* --- Keys ---------------------------------------------------------------------------------- */

static int value_of_digit(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

size_t worker_build_id_bytes(unsigned char *bytes, const char *hex)
{
    size_t length = strlen(hex);
    size_t i;

    if (length == 0 || length % 2 != 0 || length > WORKER_BUILD_ID_DIGITS) {
        return 0;
    }
    for (i = 0; i < length / 2; i++) {
        int high = value_of_digit(hex[2 * i]);
        int low = value_of_digit(hex[2 * i + 1]);

        if (high < 0 || low < 0) {
            return 0;
        }
        bytes[i] = (unsigned char)(high * 16 + low);
    }
    return length / 2;
}

static apr_status_t add_key(worker_repodata_t *data, int package, worker_file_kind_t kind,
                            const void *key, size_t length, retrace_error_t *err)
{
    if (data->keys->nelts >= WORKER_REPODATA_MAX_KEYS) {
        return retrace_fail(err, APR_EINVAL, "more than %d build-ids", WORKER_REPODATA_MAX_KEYS);
    }
    APR_ARRAY_PUSH(data->keys, worker_remote_key_t) =
        (worker_remote_key_t){ .key = apr_pmemdup(data->pool, key, length),
                               .length = (unsigned short)length,
                               .kind = (unsigned short)kind,
                               .package = package };
    return APR_SUCCESS;
}

static apr_status_t add_build_id(worker_repodata_t *data, int package, worker_file_kind_t kind,
                                 const char *build_id, retrace_error_t *err)
{
    unsigned char bytes[WORKER_BUILD_ID_DIGITS / 2];
    size_t length = worker_build_id_bytes(bytes, build_id);

    return length > 0 ? add_key(data, package, kind, bytes, length, err) : APR_SUCCESS;
}

static int compare_keys(const void *first, const void *second)
{
    const worker_remote_key_t *a = first;
    const worker_remote_key_t *b = second;
    size_t common = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->key, b->key, common);

    if (order == 0) {
        order = (int)a->length - (int)b->length;
    }
    if (order == 0) {
        order = (int)a->kind - (int)b->kind;
    }
    return order != 0 ? order : (a->package > b->package) - (a->package < b->package);
}

void worker_repodata_sort(worker_repodata_t *data)
{
    worker_remote_key_t *keys = (worker_remote_key_t *)(void *)data->keys->elts;
    int count = 0;
    int i;

    qsort(keys, (size_t)data->keys->nelts, sizeof(*keys), compare_keys);
    for (i = 0; i < data->keys->nelts; i++) {
        if (count == 0 || compare_keys(&keys[count - 1], &keys[i]) != 0) {
            keys[count++] = keys[i];
        }
    }
    data->keys->nelts = count;
}

/* --- primary.xml --------------------------------------------------------------------------- */

typedef struct primary_t {
    worker_repodata_t *data;
    apr_pool_t *scratch;           /* of one package */
    apr_array_header_t *build_ids; /* of const char *, that the package provides */
} primary_t;

static void take_provided(void *baton, const char *name, const char *version)
{
    primary_t *primary = baton;

    if (strcmp(name, PROVIDED) == 0) {
        APR_ARRAY_PUSH(primary->build_ids, const char *) = apr_pstrdup(primary->scratch, version);
    }
}

static const char *check_package(const retrace_repodata_package_t *package)
{
    if (package->name[0] == '\0' || package->version[0] == '\0' || package->arch[0] == '\0'
        || package->size < 0) {
        return "a package without name, version, architecture or size";
    }
    return package->checksum.type == NULL ? "a package without a checksum of a known type" : NULL;
}

static void copy_package(apr_array_header_t *packages, const retrace_repodata_package_t *package,
                         apr_pool_t *p)
{
    const char *epoch = strcmp(package->epoch, "0") == 0 ? "" : package->epoch;

    APR_ARRAY_PUSH(packages, worker_remote_t) =
        (worker_remote_t){ .name = apr_pstrdup(p, package->name),
                           .epoch = apr_pstrdup(p, epoch),
                           .version = apr_pstrdup(p, package->version),
                           .release = apr_pstrdup(p, package->release),
                           .arch = apr_pstrdup(p, package->arch),
                           .source = apr_pstrdup(p, package->source),
                           .location = apr_pstrdup(p, package->href),
                           .checksum = package->checksum,
                           .size = package->size };
}

static apr_status_t add_package(const primary_t *primary, const retrace_repodata_package_t *package,
                                retrace_error_t *err)
{
    worker_repodata_t *data = primary->data;
    int *place = apr_palloc(data->pool, sizeof(*place));
    apr_status_t rv = APR_SUCCESS;
    int i;

    copy_package(data->packages, package, data->pool);
    *place = data->packages->nelts;
    apr_hash_set(data->by_checksum, apr_pstrdup(data->pool, package->checksum.digits),
                 APR_HASH_KEY_STRING, place);
    for (i = 0; i < primary->build_ids->nelts && rv == APR_SUCCESS; i++) {
        rv = add_build_id(data, *place - 1, WORKER_FILE_DEBUGINFO,
                          APR_ARRAY_IDX(primary->build_ids, i, const char *), err);
    }
    return rv;
}

static apr_status_t collect_package(const primary_t *primary,
                                    const retrace_repodata_package_t *package, retrace_error_t *err)
{
    worker_repodata_t *data = primary->data;
    const char *digits = package->checksum.digits;
    const char *wrong = check_package(package);
    const char *before;

    if (wrong != NULL) {
        return retrace_fail(err, APR_EINVAL, "%s", wrong);
    }
    if (package->href == NULL) {
        data->skipped++;
        return APR_SUCCESS;
    }
    before =
        apr_hash_get((apr_hash_t *)(void *)(uintptr_t)data->known, digits, APR_HASH_KEY_STRING);
    if (before != NULL && strcmp(before, package->href) == 0) {
        apr_hash_set(data->kept, apr_pstrdup(data->pool, digits), APR_HASH_KEY_STRING, "");
        return APR_SUCCESS;
    }
    return apr_hash_get(data->by_checksum, digits, APR_HASH_KEY_STRING) != NULL
        ? APR_SUCCESS
        : add_package(primary, package, err);
}

static void begin_package(primary_t *primary)
{
    apr_pool_clear(primary->scratch);
    primary->build_ids = apr_array_make(primary->scratch, 2, sizeof(const char *));
}

static apr_status_t take_package(void *baton, const retrace_repodata_package_t *package,
                                 retrace_error_t *err)
{
    primary_t *primary = baton;
    apr_status_t rv = collect_package(primary, package, err);

    begin_package(primary);
    return rv;
}

apr_status_t worker_repodata_primary(worker_repodata_t *data, int fd, retrace_error_t *err)
{
    primary_t primary = { .data = data };
    const retrace_repodata_packages_t to = { take_provided, take_package, &primary };
    apr_status_t rv = apr_pool_create(&primary.scratch, data->pool);

    if (rv == APR_SUCCESS) {
        begin_package(&primary);
        rv = retrace_repodata_packages(fd, &to, err);
        apr_pool_destroy(primary.scratch);
    }
    return rv;
}

/* --- filelists.xml ------------------------------------------------------------------------- */

typedef struct filelists_t {
    worker_repodata_t *data;
    apr_pool_t *scratch;
    int package; /* its place; -1: one that is not collected */
} filelists_t;

static void take_owner(void *baton, const char *digits)
{
    filelists_t *filelists = baton;
    const int *place = apr_hash_get(filelists->data->by_checksum, digits, APR_HASH_KEY_STRING);

    filelists->package = place != NULL ? *place - 1 : -1;
}

static apr_status_t collect_path(filelists_t *filelists, const char *path, retrace_error_t *err)
{
    worker_repodata_t *data = filelists->data;
    worker_file_kind_t kind = WORKER_FILE_EXECUTABLE;
    const char *key = NULL;

    apr_pool_clear(filelists->scratch);
    if (!worker_package_listed(&kind, &key, path, filelists->scratch)) {
        return APR_SUCCESS;
    }
    return kind == WORKER_FILE_DWZ ? add_key(data, filelists->package, kind, key, strlen(key), err)
                                   : add_build_id(data, filelists->package, kind, key, err);
}

static apr_status_t take_path(void *baton, const char *digits, const char *path,
                              retrace_error_t *err)
{
    filelists_t *filelists = baton;

    (void)digits;
    return filelists->package >= 0 && worker_package_may_be_listed(path)
        ? collect_path(filelists, path, err)
        : APR_SUCCESS;
}

apr_status_t worker_repodata_filelists(worker_repodata_t *data, int fd, retrace_error_t *err)
{
    filelists_t filelists = { .data = data, .package = -1 };
    const retrace_repodata_files_t to = { take_owner, take_path, &filelists };
    apr_status_t rv = apr_pool_create(&filelists.scratch, data->pool);

    if (rv == APR_SUCCESS) {
        rv = retrace_repodata_files(fd, &to, err);
        apr_pool_destroy(filelists.scratch);
    }
    return rv;
}
