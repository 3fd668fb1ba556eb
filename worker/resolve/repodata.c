/* SPDX-License-Identifier: Apache-2.0 */
/* See repodata.h: what is collected out of the elements of both files. */
#include "worker/resolve/repodata.h"

#include <apr_strings.h>
#include <stdlib.h>
#include <string.h>

#include "worker/resolve/package.h"

#define PROVIDED   "debuginfo(build-id)"
#define SIZE_LIMIT (INT64_C(1) << 50)

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
    apr_pool_t *scratch; /* of one package */
    worker_remote_t package;
    const char *checksum_type;
    apr_array_header_t *build_ids; /* of const char *, that the package provides */
    bool in_package;
    bool in_provides;
} primary_t;

static void begin_package(primary_t *primary)
{
    apr_pool_clear(primary->scratch);
    primary->package = (worker_remote_t){ "", "", "", "", "", "", "", { NULL, "" }, -1 };
    primary->checksum_type = "";
    primary->build_ids = apr_array_make(primary->scratch, 2, sizeof(const char *));
    primary->in_package = true;
    primary->in_provides = false;
}

static void take_version(primary_t *primary, const char *const *attributes)
{
    const char *epoch = worker_xml_attribute(attributes, "epoch");

    primary->package.epoch = apr_pstrdup(primary->scratch, strcmp(epoch, "0") == 0 ? "" : epoch);
    primary->package.version =
        apr_pstrdup(primary->scratch, worker_xml_attribute(attributes, "ver"));
    primary->package.release =
        apr_pstrdup(primary->scratch, worker_xml_attribute(attributes, "rel"));
}

/* A package that says that it lies elsewhere has no location here. */
static void take_location(primary_t *primary, const char *const *attributes)
{
    const char *href = worker_xml_attribute(attributes, "href");

    if (worker_xml_attribute(attributes, "xml:base")[0] == '\0') {
        primary->package.location = apr_pstrdup(primary->scratch, href);
    }
}

static void take_size(primary_t *primary, const char *const *attributes)
{
    const char *text = worker_xml_attribute(attributes, "package");
    apr_int64_t size = apr_strtoi64(text, NULL, 10);

    if (text[0] != '\0' && text[strspn(text, "0123456789")] == '\0' && size <= SIZE_LIMIT) {
        primary->package.size = size;
    }
}

static void take_entry(primary_t *primary, const char *const *attributes)
{
    if (primary->in_provides && strcmp(worker_xml_attribute(attributes, "name"), PROVIDED) == 0) {
        APR_ARRAY_PUSH(primary->build_ids, const char *) =
            apr_pstrdup(primary->scratch, worker_xml_attribute(attributes, "ver"));
    }
}

static apr_status_t primary_start(void *baton, const char *name, const char *const *attributes,
                                  retrace_error_t *err)
{
    primary_t *primary = baton;

    (void)err;
    if (strcmp(name, "package") == 0) {
        begin_package(primary);
    }
    else if (!primary->in_package) {
        return APR_SUCCESS;
    }
    else if (strcmp(name, "rpm:entry") == 0) {
        take_entry(primary, attributes);
    }
    else if (strcmp(name, "version") == 0) {
        take_version(primary, attributes);
    }
    else if (strcmp(name, "checksum") == 0) {
        primary->checksum_type =
            apr_pstrdup(primary->scratch, worker_xml_attribute(attributes, "type"));
    }
    else if (strcmp(name, "location") == 0) {
        take_location(primary, attributes);
    }
    else if (strcmp(name, "size") == 0) {
        take_size(primary, attributes);
    }
    else if (strcmp(name, "rpm:provides") == 0) {
        primary->in_provides = true;
    }
    return APR_SUCCESS;
}

static bool is_short(const char *text)
{
    return strlen(text) <= WORKER_REPODATA_NAME_MAX;
}

static const char *check_package(const worker_remote_t *package)
{
    if (package->name[0] == '\0' || package->version[0] == '\0' || package->arch[0] == '\0'
        || package->size < 0) {
        return "a package without name, version, architecture or size";
    }
    if (package->checksum.type == NULL) {
        return "a package without a checksum of a known type";
    }
    return is_short(package->name) && is_short(package->epoch) && is_short(package->version)
            && is_short(package->release) && is_short(package->arch) && is_short(package->source)
        ? NULL
        : "a name of more than 255 bytes";
}

static worker_remote_t *copy_package(const worker_remote_t *package, apr_array_header_t *packages,
                                     apr_pool_t *p)
{
    worker_remote_t *copy = apr_array_push(packages);

    *copy = (worker_remote_t){ .name = apr_pstrdup(p, package->name),
                               .epoch = apr_pstrdup(p, package->epoch),
                               .version = apr_pstrdup(p, package->version),
                               .release = apr_pstrdup(p, package->release),
                               .arch = apr_pstrdup(p, package->arch),
                               .source = apr_pstrdup(p, package->source),
                               .location = apr_pstrdup(p, package->location),
                               .checksum = package->checksum,
                               .size = package->size };
    return copy;
}

static apr_status_t add_package(primary_t *primary, retrace_error_t *err)
{
    worker_repodata_t *data = primary->data;
    const worker_remote_t *copy;
    apr_status_t rv = APR_SUCCESS;
    int *place;
    int i;

    if (data->packages->nelts >= WORKER_REPODATA_MAX_PACKAGES) {
        return retrace_fail(err, APR_EINVAL, "more than %d packages", WORKER_REPODATA_MAX_PACKAGES);
    }
    copy = copy_package(&primary->package, data->packages, data->pool);
    place = apr_palloc(data->pool, sizeof(*place));
    *place = data->packages->nelts;
    apr_hash_set(data->by_checksum, apr_pstrdup(data->pool, copy->checksum.digits),
                 APR_HASH_KEY_STRING, place);
    for (i = 0; i < primary->build_ids->nelts && rv == APR_SUCCESS; i++) {
        rv = add_build_id(data, *place - 1, WORKER_FILE_DEBUGINFO,
                          APR_ARRAY_IDX(primary->build_ids, i, const char *), err);
    }
    return rv;
}

static apr_status_t end_package(primary_t *primary, retrace_error_t *err)
{
    worker_repodata_t *data = primary->data;
    const worker_remote_t *package = &primary->package;
    const char *wrong = check_package(package);
    const char *hex = package->checksum.digits;
    const char *before;

    primary->in_package = false;
    if (wrong != NULL) {
        return retrace_fail(err, APR_EINVAL, "%s", wrong);
    }
    if (!worker_location_is_plain(package->location)) {
        data->skipped++;
        return APR_SUCCESS;
    }
    before = apr_hash_get((apr_hash_t *)(void *)(uintptr_t)data->known, hex, APR_HASH_KEY_STRING);
    if (before != NULL && strcmp(before, package->location) == 0) {
        apr_hash_set(data->kept, apr_pstrdup(data->pool, hex), APR_HASH_KEY_STRING, "");
        return APR_SUCCESS;
    }
    if (apr_hash_get(data->by_checksum, hex, APR_HASH_KEY_STRING) != NULL) {
        return APR_SUCCESS;
    }
    return add_package(primary, err);
}

static apr_status_t primary_end(void *baton, const char *name, const char *text,
                                retrace_error_t *err)
{
    primary_t *primary = baton;

    if (!primary->in_package) {
        return APR_SUCCESS;
    }
    if (strcmp(name, "package") == 0) {
        return end_package(primary, err);
    }
    if (strcmp(name, "rpm:provides") == 0) {
        primary->in_provides = false;
    }
    else if (strcmp(name, "name") == 0) {
        primary->package.name = apr_pstrdup(primary->scratch, text);
    }
    else if (strcmp(name, "arch") == 0) {
        primary->package.arch = apr_pstrdup(primary->scratch, text);
    }
    else if (strcmp(name, "checksum") == 0) {
        (void)retrace_checksum_parse(&primary->package.checksum, primary->checksum_type, text);
    }
    else if (strcmp(name, "rpm:sourcerpm") == 0) {
        primary->package.source = apr_pstrdup(primary->scratch, text);
    }
    return APR_SUCCESS;
}

apr_status_t worker_repodata_primary(worker_repodata_t *data, const worker_xml_input_t *input,
                                     worker_xml_reader_fn reader, retrace_error_t *err)
{
    primary_t primary = { .data = data };
    const worker_xml_events_t events = { primary_start, primary_end, &primary };
    apr_status_t rv = apr_pool_create(&primary.scratch, data->pool);

    if (rv == APR_SUCCESS) {
        rv = reader(input, &events, err);
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

static apr_status_t filelists_start(void *baton, const char *name, const char *const *attributes,
                                    retrace_error_t *err)
{
    filelists_t *filelists = baton;

    (void)err;
    if (strcmp(name, "package") == 0) {
        const int *place =
            apr_hash_get(filelists->data->by_checksum, worker_xml_attribute(attributes, "pkgid"),
                         APR_HASH_KEY_STRING);

        filelists->package = place != NULL ? *place - 1 : -1;
    }
    return APR_SUCCESS;
}

static apr_status_t take_path(filelists_t *filelists, const char *path, retrace_error_t *err)
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

static apr_status_t filelists_end(void *baton, const char *name, const char *text,
                                  retrace_error_t *err)
{
    filelists_t *filelists = baton;

    if (filelists->package < 0 || !worker_package_may_be_listed(text)
        || strcmp(name, "file") != 0) {
        return APR_SUCCESS;
    }
    return take_path(filelists, text, err);
}

apr_status_t worker_repodata_filelists(worker_repodata_t *data, const worker_xml_input_t *input,
                                       worker_xml_reader_fn reader, retrace_error_t *err)
{
    filelists_t filelists = { .data = data, .package = -1 };
    const worker_xml_events_t events = { filelists_start, filelists_end, &filelists };
    apr_status_t rv = apr_pool_create(&filelists.scratch, data->pool);

    if (rv == APR_SUCCESS) {
        rv = reader(input, &events, err);
        apr_pool_destroy(filelists.scratch);
    }
    return rv;
}
