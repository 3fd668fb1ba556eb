/* SPDX-License-Identifier: Apache-2.0 */
/* What only looks: the sums, and the list. */
#include <apr_strings.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/fs.h"
#include "worker/cache/commands.h"

#define MB         (1024.0 * 1024.0)
#define NS         INT64_C(1000000000)
#define BLOCK      512
#define TIME_BYTES 32
#define INDEX_END  ".db"

typedef struct sum_t {
    int count;
    int64_t bytes;
} sum_t;

typedef struct index_t {
    const char *release;
    int64_t bytes;
} index_t;

typedef struct overview_t {
    sum_t all; /* build-ids */
    sum_t in_use;
    sum_t kinds[WORKER_FILE_KINDS];
    const worker_cache_entry_t *oldest; /* NULL: there is none */
    int misses;
    apr_array_header_t *indexes; /* of index_t */
    apr_array_header_t *unknown; /* of const char * */
} overview_t;

/* --- Looking ------------------------------------------------------------------------------- */

static void add(sum_t *sum, int64_t bytes)
{
    sum->count++;
    sum->bytes += bytes;
}

static void add_entry(overview_t *overview, const worker_cache_entry_t *entry)
{
    int kind;

    add(&overview->all, entry->bytes);
    if (entry->in_use) {
        add(&overview->in_use, entry->bytes);
    }
    for (kind = 0; kind < WORKER_FILE_KINDS; kind++) {
        if (entry->kind_bytes[kind] != WORKER_CACHE_NO_FILE) {
            add(&overview->kinds[kind], entry->kind_bytes[kind]);
        }
    }
}

typedef struct indexes_t {
    int directory;
    overview_t *overview;
} indexes_t;

static bool add_index(void *baton, const char *name)
{
    const indexes_t *indexes = baton;
    apr_array_header_t *list = indexes->overview->indexes;
    size_t length = strlen(name);
    struct stat info;

    if (length > strlen(INDEX_END) && strcmp(name + length - strlen(INDEX_END), INDEX_END) == 0
        && fstatat(indexes->directory, name, &info, AT_SYMLINK_NOFOLLOW) == 0) {
        APR_ARRAY_PUSH(list, index_t) =
            (index_t){ apr_pstrndup(list->pool, name, length - strlen(INDEX_END)),
                       (int64_t)info.st_blocks * BLOCK };
    }
    return true;
}

/* Neither need be there. */
static void look_beside(overview_t *overview, int top)
{
    indexes_t indexes = { -1, overview };
    int misses = -1;

    if (retrace_fs_open_dir(&indexes.directory, top, WORKER_CACHE_INDEX, NULL) == APR_SUCCESS) {
        (void)retrace_fs_each(indexes.directory, add_index, &indexes, NULL);
        (void)close(indexes.directory);
    }
    if (retrace_fs_open_dir(&misses, top, WORKER_CACHE_MISSES, NULL) == APR_SUCCESS) {
        (void)retrace_fs_count(&overview->misses, misses, INT_MAX, NULL);
        (void)close(misses);
    }
}

static apr_status_t look(overview_t *overview, const cache_request_t *request, retrace_error_t *err)
{
    worker_cache_listing_t listing;
    apr_status_t rv = worker_cache_list(&listing, request->top, request->hold, err, request->pool);
    int i;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    worker_cache_sort(listing.entries);
    for (i = 0; i < listing.entries->nelts; i++) {
        add_entry(overview, &APR_ARRAY_IDX(listing.entries, i, worker_cache_entry_t));
    }
    if (listing.entries->nelts > 0) {
        overview->oldest = &APR_ARRAY_IDX(listing.entries, 0, worker_cache_entry_t);
    }
    overview->unknown = listing.unknown;
    overview->indexes = apr_array_make(request->pool, 4, sizeof(index_t));
    look_beside(overview, request->top);
    return APR_SUCCESS;
}

static const char *time_of(char *text, const worker_cache_entry_t *entry)
{
    time_t seconds = (time_t)(entry->used_at_ns / NS);
    struct tm parts;

    (void)strftime(text, TIME_BYTES, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &parts));
    return text;
}

/* --- As text ------------------------------------------------------------------------------- */

static void print_sum(const char *name, const sum_t *sum, const char *what)
{
    printf("%-18s%d %s, %.1f MB\n", name, sum->count, what, (double)sum->bytes / MB);
}

static void print_overview(const overview_t *overview, const cache_request_t *request)
{
    char when[TIME_BYTES];
    int i;

    printf("%-18s%.1f MB of ", "size", (double)overview->all.bytes / MB);
    if (request->config->cache_size_mb > 0) {
        printf("%" PRId64 " MB\n", request->config->cache_size_mb);
    }
    else {
        printf("any\n");
    }
    for (i = 0; i < WORKER_FILE_KINDS; i++) {
        print_sum(worker_file_kind_name((worker_file_kind_t)i), &overview->kinds[i], "files");
    }
    print_sum("in use", &overview->in_use, "build-ids");
    if (overview->oldest != NULL) {
        printf("%-18s%s %s\n", "oldest", time_of(when, overview->oldest),
               overview->oldest->build_id);
    }
    printf("%-18s%d\n", "negative answers", overview->misses);
    for (i = 0; i < overview->indexes->nelts; i++) {
        const index_t *index = &APR_ARRAY_IDX(overview->indexes, i, index_t);

        printf("%-18s%s, %.1f MB\n", "index", index->release, (double)index->bytes / MB);
    }
    for (i = 0; i < overview->unknown->nelts; i++) {
        printf("%-18s%s\n", "unknown", APR_ARRAY_IDX(overview->unknown, i, const char *));
    }
}

static void print_entry(const worker_cache_entry_t *entry)
{
    char when[TIME_BYTES];
    char kinds[64] = "";
    size_t length = 0;
    int kind;

    for (kind = 0; kind < WORKER_FILE_KINDS; kind++) {
        if (entry->kind_bytes[kind] != WORKER_CACHE_NO_FILE) {
            length += (size_t)snprintf(kinds + length, sizeof(kinds) - length, "%s%s",
                                       length > 0 ? "," : "",
                                       worker_file_kind_name((worker_file_kind_t)kind));
        }
    }
    printf("%s %10.1f MB  %s  %s%s\n", time_of(when, entry), (double)entry->bytes / MB,
           entry->build_id, kinds, entry->in_use ? "  in use" : "");
}

/* --- As JSON ------------------------------------------------------------------------------- */

static void print_json(json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);

    if (text != NULL) {
        printf("%s\n", text);
    }
    free(text);
    json_decref(json);
}

static json_t *json_of_sum(const sum_t *sum)
{
    return json_pack("{s:i, s:I}", "count", sum->count, "bytes", (json_int_t)sum->bytes);
}

static json_t *json_of_kinds(const overview_t *overview)
{
    json_t *kinds = json_object();
    int i;

    for (i = 0; i < WORKER_FILE_KINDS; i++) {
        (void)json_object_set_new(kinds, worker_file_kind_name((worker_file_kind_t)i),
                                  json_of_sum(&overview->kinds[i]));
    }
    return kinds;
}

static json_t *json_of_indexes(const overview_t *overview)
{
    json_t *indexes = json_object();
    int i;

    for (i = 0; i < overview->indexes->nelts; i++) {
        const index_t *index = &APR_ARRAY_IDX(overview->indexes, i, index_t);

        (void)json_object_set_new(indexes, index->release, json_integer((json_int_t)index->bytes));
    }
    return indexes;
}

/* A name that is no UTF-8 is left out: who made it can look for it. */
static json_t *json_of_unknown(const overview_t *overview)
{
    json_t *unknown = json_array();
    int i;

    for (i = 0; i < overview->unknown->nelts; i++) {
        (void)json_array_append_new(unknown,
                                    json_string(APR_ARRAY_IDX(overview->unknown, i, const char *)));
    }
    return unknown;
}

static json_t *json_of_oldest(const overview_t *overview)
{
    char when[TIME_BYTES];

    return overview->oldest == NULL
        ? json_null()
        : json_pack("{s:s, s:s}", "build_id", overview->oldest->build_id, "used",
                    time_of(when, overview->oldest));
}

static void print_json_overview(const overview_t *overview, const cache_request_t *request)
{
    const json_int_t limit_bytes = request->config->cache_size_mb * RETRACE_MIB;

    print_json(json_pack("{s:I, s:I, s:o, s:o, s:o, s:i, s:o, s:o}", "bytes",
                         (json_int_t)overview->all.bytes, "limit_bytes", limit_bytes, "files",
                         json_of_kinds(overview), "in_use", json_of_sum(&overview->in_use),
                         "oldest", json_of_oldest(overview), "negative_answers", overview->misses,
                         "indexes", json_of_indexes(overview), "unknown",
                         json_of_unknown(overview)));
}

static json_t *json_of_entry(const worker_cache_entry_t *entry)
{
    char when[TIME_BYTES];
    json_t *files = json_object();
    int kind;

    for (kind = 0; kind < WORKER_FILE_KINDS; kind++) {
        if (entry->kind_bytes[kind] != WORKER_CACHE_NO_FILE) {
            (void)json_object_set_new(files, worker_file_kind_name((worker_file_kind_t)kind),
                                      json_integer((json_int_t)entry->kind_bytes[kind]));
        }
    }
    return json_pack("{s:s, s:s, s:I, s:o, s:b}", "build_id", entry->build_id, "used",
                     time_of(when, entry), "bytes", (json_int_t)entry->bytes, "files", files,
                     "in_use", (int)entry->in_use);
}

/* --- The commands -------------------------------------------------------------------------- */

apr_status_t cache_show(int *pcode, const cache_request_t *request, retrace_error_t *err)
{
    overview_t overview = { 0 };
    apr_status_t rv = look(&overview, request, err);

    if (rv == APR_SUCCESS) {
        (request->json ? print_json_overview : print_overview)(&overview, request);
        *pcode = 0;
    }
    return rv;
}

apr_status_t cache_list(int *pcode, const cache_request_t *request, retrace_error_t *err)
{
    worker_cache_listing_t listing;
    apr_status_t rv = worker_cache_list(&listing, request->top, request->hold, err, request->pool);
    json_t *all;
    int i;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    worker_cache_sort(listing.entries);
    all = json_array();
    for (i = 0; i < listing.entries->nelts; i++) {
        const worker_cache_entry_t *entry =
            &APR_ARRAY_IDX(listing.entries, i, worker_cache_entry_t);

        if (request->json) {
            (void)json_array_append_new(all, json_of_entry(entry));
        }
        else {
            print_entry(entry);
        }
    }
    if (request->json) {
        print_json(json_incref(all));
    }
    json_decref(all);
    *pcode = 0;
    return APR_SUCCESS;
}
