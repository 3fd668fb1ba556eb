/* SPDX-License-Identifier: Apache-2.0 */
/* See cache_fixture.h. */
#include "tests/unit/cache_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include <apr_strings.h>

retrace_config_t cache_make(workspace_t *ws, int64_t limit_mb)
{
    retrace_config_t config = { .cache_dir = workspace_path(ws, "cache"),
                                .cache_size_mb = limit_mb };

    workspace_make_dir(ws, "cache");
    return config;
}

const char *cache_id(const workspace_t *ws, int n)
{
    return apr_psprintf(ws->pool, "%08x%s", (unsigned int)n * 0x01000001U,
                        "00000000000000000000000000000000");
}

const char *cache_name(const workspace_t *ws, int n, const char *name)
{
    return apr_pstrcat(ws->pool, worker_cache_entry_path("cache", cache_id(ws, n), ws->pool),
                       name[0] != '\0' ? "/" : "", name, NULL);
}

static void set_age(const workspace_t *ws, int n, int age_s)
{
    const struct timespec times[] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = CACHE_NOW - age_s } };

    assert_int_equal(utimensat(ws->dir, cache_name(ws, n, ""), times, 0), 0);
}

void cache_add(const workspace_t *ws, int n, int kb, int age_s)
{
    char *text = apr_palloc(ws->pool, (apr_size_t)kb * 1024 + 1);

    memset(text, 'x', (size_t)kb * 1024);
    text[(size_t)kb * 1024] = '\0';
    workspace_write(ws, cache_name(ws, n, "executable"), text);
    workspace_write(ws, cache_name(ws, n, "executable.lock"), "");
    set_age(ws, n, age_s);
}

bool cache_has(const workspace_t *ws, int n)
{
    return workspace_exists(ws, cache_name(ws, n, "executable"));
}

worker_cache_listing_t cache_list(workspace_t *ws)
{
    worker_cache_listing_t listing = { 0 };
    worker_cache_hold_t *hold = NULL;
    int top = openat(ws->dir, "cache", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_int_equal(worker_cache_hold_open(&hold, workspace_path(ws, "cache"), &ws->err, ws->pool),
                     APR_SUCCESS);
    assert_int_equal(worker_cache_list(&listing, top, hold, &ws->err, ws->pool), APR_SUCCESS);
    worker_cache_hold_close(hold);
    (void)close(top);
    return listing;
}

int64_t cache_bytes(workspace_t *ws)
{
    worker_cache_listing_t listing = cache_list(ws);
    int64_t bytes = 0;
    int i;

    for (i = 0; i < listing.entries->nelts; i++) {
        bytes += APR_ARRAY_IDX(listing.entries, i, worker_cache_entry_t).bytes;
    }
    return bytes;
}
