/* SPDX-License-Identifier: Apache-2.0 */
/* See shared.h. */
#include "mod_retrace/shared.h"

#include <apr_shm.h>
#include <string.h>
#include <util_mutex.h>

#define MUTEX_TYPE "retrace"

struct mr_shared_t {
    apr_global_mutex_t *mutex;
    mr_shared_data_t *data;
};

apr_status_t mr_shared_register(apr_pool_t *pconf)
{
    return ap_mutex_register(pconf, MUTEX_TYPE, NULL, APR_LOCK_DEFAULT, 0);
}

apr_status_t mr_shared_create(mr_shared_t **pshared, server_rec *s, apr_pool_t *pconf)
{
    mr_shared_t *shared = apr_pcalloc(pconf, sizeof(*shared));
    apr_shm_t *memory = NULL;
    apr_status_t rv = apr_shm_create(&memory, sizeof(*shared->data), NULL, pconf);

    if (rv == APR_SUCCESS) {
        shared->data = apr_shm_baseaddr_get(memory);
        memset(shared->data, 0, sizeof(*shared->data));
        rv = ap_global_mutex_create(&shared->mutex, NULL, MUTEX_TYPE, NULL, s, pconf, 0);
    }
    if (rv == APR_SUCCESS) {
        *pshared = shared;
    }
    return rv;
}

apr_status_t mr_shared_child_init(mr_shared_t *shared, apr_pool_t *pchild)
{
    return apr_global_mutex_child_init(&shared->mutex, apr_global_mutex_lockfile(shared->mutex),
                                       pchild);
}

apr_time_t mr_shared_peek_delivery(const mr_shared_t *shared)
{
    if (!__atomic_load_n(&shared->data->has_news, __ATOMIC_RELAXED)) {
        return -1;
    }
    return __atomic_load_n(&shared->data->delivery_time, __ATOMIC_RELAXED);
}

void mr_shared_set_news(mr_shared_data_t *data, bool has_news)
{
    __atomic_store_n(&data->has_news, has_news, __ATOMIC_RELAXED);
}

apr_time_t mr_shared_peek_failure(const mr_shared_t *shared)
{
    return __atomic_load_n(&shared->data->failure_time, __ATOMIC_RELAXED);
}

mr_shared_data_t *mr_shared_lock(mr_shared_t *shared)
{
    return apr_global_mutex_lock(shared->mutex) == APR_SUCCESS ? shared->data : NULL;
}

void mr_shared_unlock(mr_shared_t *shared)
{
    (void)apr_global_mutex_unlock(shared->mutex);
}
