/* SPDX-License-Identifier: Apache-2.0 */
/* A cache of made-up files, as large and as old as a test needs them. */
#ifndef RETRACE_TESTS_CACHE_FIXTURE_H
#define RETRACE_TESTS_CACHE_FIXTURE_H

#include <stdint.h>
#include <time.h>

#include "lib/config.h"
#include "tests/unit/workspace.h"
#include "worker/resolve/cache_entries.h"

#define CACHE_MIB    (INT64_C(1024) * 1024)
#define CACHE_NOW    1700000000
#define CACHE_NOW_NS (INT64_C(1700000000) * 1000000000)

/** An empty cache with a limit. */
retrace_config_t cache_make(workspace_t *ws, int64_t limit_mb);

/** The build-id of the n-th file. */
const char *cache_id(const workspace_t *ws, int n);

/** A name in the directory of the n-th build-id, below the workspace. */
const char *cache_name(const workspace_t *ws, int n, const char *name);

/** An executable of so many KB for the n-th build-id, last used `age_s` before CACHE_NOW. */
void cache_add(const workspace_t *ws, int n, int kb, int age_s);

bool cache_has(const workspace_t *ws, int n);

/** What the cache holds, looked at through a hold of its own. */
worker_cache_listing_t cache_list(workspace_t *ws);

/** Bytes of all entries. */
int64_t cache_bytes(workspace_t *ws);

#endif
