/* SPDX-License-Identifier: Apache-2.0 */
/* What mirrors say before anything of it is verified: metalinks, lists of mirrors, repomd.xml. */
#include <apr_general.h>
#include <apr_pools.h>
#include <apr_strings.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "helpers/reposync/mirrors.h"
#include "lib/repodata.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    retrace_repodata_list_t list;
    apr_pool_t *pool = NULL;
    const char *text;

    (void)apr_initialize();
    if (apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return 0;
    }
    text = apr_pstrmemdup(pool, (const char *)data, size);
    (void)reposync_mirrors_add_list(reposync_mirrors_make(pool), text, NULL, pool);
    (void)reposync_mirrors_add_metalink(reposync_mirrors_make(pool), text, NULL, pool);
    (void)retrace_repodata_find(&list, (const char *)data, size, "primary", NULL, pool);
    apr_pool_destroy(pool);
    return 0;
}
