/* SPDX-License-Identifier: Apache-2.0 */
/* See cache_account.h. Four numbers, replaced under a lock. */
#include "worker/resolve/cache_account.h"

#include <apr_general.h>
#include <apr_strings.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"

#define NAME      "size"
#define LOCK      "size.lock"
#define MAX_BYTES 128 /* of the file */

/* So that what is added to it fits, too. */
static bool is_size(int64_t bytes)
{
    return bytes >= 0 && bytes <= INT64_MAX / 2;
}

static bool parse(worker_cache_account_t *account, const char *text)
{
    char end = '\0';

    account->is_known =
        sscanf(text, "%" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 "%c", &account->bytes,
               &account->kept_bytes, &account->counted_at, &account->count, &end)
            == 5
        && end == '\n' && is_size(account->bytes) && is_size(account->kept_bytes)
        && account->counted_at >= 0 && account->count >= 0 && account->count < INT64_MAX;
    return account->is_known;
}

worker_cache_account_t worker_cache_account_read(int top)
{
    worker_cache_account_t account = { 0 };
    const worker_cache_account_t unknown = { 0 };
    const char *text = NULL;
    apr_pool_t *scratch = NULL;

    if (apr_pool_create(&scratch, NULL) != APR_SUCCESS) {
        return unknown;
    }
    if (retrace_fs_read(&text, NULL, top, NAME, MAX_BYTES, NULL, scratch) != APR_SUCCESS
        || !parse(&account, text)) {
        account = unknown;
    }
    apr_pool_destroy(scratch);
    return account;
}

static bool write_account(int top, const worker_cache_account_t *account)
{
    char text[MAX_BYTES];
    int length = snprintf(text, sizeof(text), "%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n",
                          account->bytes, account->kept_bytes, account->counted_at, account->count);

    return retrace_fs_replace(top, NAME, text, (apr_size_t)length, 0640, false, NULL)
        == APR_SUCCESS;
}

worker_cache_account_t worker_cache_account_add(int top, int64_t bytes)
{
    worker_cache_account_t account = { 0 };
    int lock = -1;

    if (retrace_fs_lock(&lock, top, LOCK, true, NULL) != APR_SUCCESS) {
        return account;
    }
    account = worker_cache_account_read(top);
    account.bytes += bytes;
    account.is_known = account.is_known && write_account(top, &account);
    (void)close(lock);
    return account;
}

void worker_cache_account_set(int top, const worker_cache_account_t *start, int64_t bytes,
                              int64_t limit_bytes, time_t now)
{
    worker_cache_account_t account;
    int64_t added = 0;
    int lock = -1;

    if (retrace_fs_lock(&lock, top, LOCK, true, NULL) != APR_SUCCESS) {
        return;
    }
    account = worker_cache_account_read(top);
    if (account.is_known && start->is_known && account.bytes > start->bytes) {
        added = account.bytes - start->bytes;
    }
    account.bytes = bytes + added;
    account.kept_bytes = worker_cache_account_is_over(&account, limit_bytes) ? account.bytes : 0;
    account.counted_at = (int64_t)now;
    account.count++;
    (void)write_account(top, &account);
    (void)close(lock);
}

bool worker_cache_account_is_over(const worker_cache_account_t *account, int64_t limit_bytes)
{
    return limit_bytes > 0 && account->bytes > limit_bytes;
}

bool worker_cache_account_is_due(const worker_cache_account_t *account, int64_t limit_bytes,
                                 time_t now)
{
    if (limit_bytes == 0) {
        return false;
    }
    /* A count from the future is none: somebody has set the clock. */
    if (!account->is_known || account->counted_at > now
        || now - account->counted_at >= WORKER_CACHE_RECOUNT_S) {
        return true;
    }
    return worker_cache_account_is_over(account, limit_bytes)
        && (account->kept_bytes == 0
            || account->bytes > account->kept_bytes + limit_bytes / WORKER_CACHE_STEP);
}
