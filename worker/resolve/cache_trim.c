/* SPDX-License-Identifier: Apache-2.0 */
/* See cache_trim.h. A trimmer that is killed has removed some entries and no others; the number that
 * it did not write is too large, and the next one counts again. */
#include "worker/resolve/cache_trim.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "lib/fs.h"
#include "worker/resolve/cache_account.h"
#include "worker/resolve/cache_entries.h"

#define LOCK    "trim.lock"
#define NS      INT64_C(1000000000)
#define PERCENT 100

typedef struct trim_t {
    int top;
    int64_t limit_bytes;
    int64_t goal_bytes;
    worker_cache_hold_t *hold;
    apr_array_header_t *entries;
    worker_cache_trimmed_t done;
    apr_pool_t *pool;
} trim_t;

/* --- Deciding ------------------------------------------------------------------------------ */

/* Somebody has set the clock: what it says is not true. */
static bool is_from_future(const worker_cache_entry_t *entry, int64_t now_ns)
{
    return entry->used_at_ns - now_ns > WORKER_CACHE_FUTURE_S * NS;
}

static int64_t mark(worker_cache_entry_t *entry, int64_t left_bytes)
{
    if (entry->in_use || entry->goes) {
        return left_bytes;
    }
    entry->goes = true;
    return left_bytes - entry->bytes;
}

int64_t worker_cache_plan(apr_array_header_t *entries, int64_t goal_bytes, int64_t now_ns)
{
    worker_cache_entry_t *all = (worker_cache_entry_t *)entries->elts;
    int64_t left_bytes = 0;
    int i;

    worker_cache_sort(entries);
    for (i = 0; i < entries->nelts; i++) {
        all[i].goes = false;
        left_bytes += all[i].bytes;
    }
    for (i = 0; i < entries->nelts; i++) {
        if (!worker_cache_entry_has_file(&all[i]) && !all[i].has_leftovers) {
            left_bytes = mark(&all[i], left_bytes);
        }
    }
    for (i = entries->nelts;
         i-- > 0 && left_bytes > goal_bytes && is_from_future(&all[i], now_ns);) {
        left_bytes = mark(&all[i], left_bytes);
    }
    for (i = 0; i < entries->nelts && left_bytes > goal_bytes; i++) {
        left_bytes = mark(&all[i], left_bytes);
    }
    return left_bytes;
}

/* One file that is larger than all of the cache may be is no reason to remove all others: it goes
 * itself, once nobody uses it. */
int64_t worker_cache_goal(int64_t limit_bytes, int64_t pending_bytes)
{
    int64_t goal_bytes = limit_bytes / PERCENT * WORKER_CACHE_TRIM_PERCENT;

    return pending_bytes <= goal_bytes ? goal_bytes - pending_bytes : goal_bytes;
}

/* --- Doing --------------------------------------------------------------------------------- */

static void tidy(trim_t *trim, time_t now)
{
    int i;

    worker_cache_tidy(trim->top, now);
    for (i = 0; i < trim->entries->nelts; i++) {
        worker_cache_entry_t *entry = &APR_ARRAY_IDX(trim->entries, i, worker_cache_entry_t);

        if (entry->has_leftovers && !entry->in_use) {
            worker_cache_entry_tidy(entry, trim->top, trim->hold);
            (void)worker_cache_entry_read(entry, trim->top, trim->hold, entry->build_id, NULL,
                                          trim->pool);
        }
    }
}

/* Takes those off the list that are gone; what was used meanwhile is looked at again. */
static int remove_marked(trim_t *trim)
{
    worker_cache_entry_t *all = (worker_cache_entry_t *)trim->entries->elts;
    int removed = 0;
    int kept = 0;
    int i;

    for (i = 0; i < trim->entries->nelts; i++) {
        worker_cache_entry_t entry = all[i];
        apr_status_t rv = APR_EBUSY;

        if (entry.goes) {
            rv = worker_cache_entry_remove(&entry, trim->top, trim->hold, NULL);
        }
        if (rv == APR_SUCCESS) {
            removed++;
            trim->done.removed_bytes += entry.bytes;
        }
        else if (!entry.goes
                 || worker_cache_entry_read(&entry, trim->top, trim->hold, entry.build_id, NULL,
                                            trim->pool)
                     == APR_SUCCESS) {
            all[kept++] = entry;
        }
    }
    trim->entries->nelts = kept;
    trim->done.removed += removed;
    return removed;
}

static void remove_until_goal(trim_t *trim, int64_t now_ns)
{
    int round;

    for (round = 0; round < WORKER_CACHE_ROUNDS; round++) {
        (void)worker_cache_plan(trim->entries, trim->goal_bytes, now_ns);
        if (remove_marked(trim) == 0) {
            break;
        }
    }
}

static int64_t count_bytes(const apr_array_header_t *entries)
{
    int64_t bytes = 0;
    int i;

    for (i = 0; i < entries->nelts; i++) {
        bytes += APR_ARRAY_IDX(entries, i, worker_cache_entry_t).bytes;
    }
    return bytes;
}

static apr_status_t trim_locked(trim_t *trim, retrace_error_t *err)
{
    worker_cache_account_t start = worker_cache_account_read(trim->top);
    worker_cache_listing_t listing;
    time_t now = time(NULL);
    apr_status_t rv = worker_cache_list(&listing, trim->top, trim->hold, err, trim->pool);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    trim->entries = listing.entries;
    tidy(trim, now);
    remove_until_goal(trim, (int64_t)now * NS);
    trim->done.left_bytes = count_bytes(trim->entries);
    worker_cache_account_set(trim->top, &start, trim->done.left_bytes, trim->limit_bytes, now);
    return APR_SUCCESS;
}

static bool is_over(int top, int64_t limit_bytes)
{
    const worker_cache_account_t account = worker_cache_account_read(top);

    return worker_cache_account_is_over(&account, limit_bytes);
}

static apr_status_t trim_open(trim_t *trim, const retrace_config_t *config,
                              worker_cache_other_t other, retrace_error_t *err)
{
    int lock = -1;
    apr_status_t rv = retrace_fs_lock(&lock, trim->top, LOCK, other != WORKER_CACHE_LEAVE_IT, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (other != WORKER_CACHE_COMPLETE_IT || is_over(trim->top, trim->limit_bytes)) {
        rv = worker_cache_hold_open(&trim->hold, config->cache_dir, err, trim->pool);
        if (rv == APR_SUCCESS) {
            rv = trim_locked(trim, err);
        }
    }
    (void)close(lock);
    return rv;
}

apr_status_t worker_cache_trim(worker_cache_trimmed_t *pdone, const retrace_config_t *config,
                               int64_t goal_bytes, worker_cache_other_t other, retrace_error_t *err,
                               apr_pool_t *p)
{
    trim_t trim = { .top = -1,
                    .limit_bytes = config->cache_size_mb * RETRACE_MIB,
                    .goal_bytes = goal_bytes };
    apr_status_t rv = retrace_fs_open_dir(&trim.top, AT_FDCWD, config->cache_dir, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = apr_pool_create(&trim.pool, p);
    if (rv == APR_SUCCESS) {
        rv = trim_open(&trim, config, other, err);
        apr_pool_destroy(trim.pool);
    }
    (void)close(trim.top);
    if (rv == APR_SUCCESS && pdone != NULL) {
        *pdone = trim.done;
    }
    return rv;
}

void worker_cache_release(worker_cache_hold_t *hold, const retrace_config_t *config, apr_pool_t *p)
{
    int64_t limit_bytes = config->cache_size_mb * RETRACE_MIB;
    int top = -1;
    bool over;

    worker_cache_hold_close(hold);
    if (retrace_fs_open_dir(&top, AT_FDCWD, config->cache_dir, NULL) != APR_SUCCESS) {
        return;
    }
    over = is_over(top, limit_bytes);
    (void)close(top);
    if (over) {
        (void)worker_cache_trim(NULL, config, worker_cache_goal(limit_bytes, 0),
                                WORKER_CACHE_COMPLETE_IT, NULL, p);
    }
}
