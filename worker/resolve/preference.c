/* SPDX-License-Identifier: Apache-2.0 */
/* See preference.h. */
#include "worker/resolve/preference.h"

#include <apr_strings.h>
#include <string.h>

bool worker_preference_parse(worker_preference_t *preference, const char *text)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    char without[RETRACE_NEVRA_MAX];
    const char *dot = strrchr(text, '.');
    retrace_nevra_t nevra;

    if (dot == NULL || dot[1] == '\0' || strspn(dot + 1, allowed) != strlen(dot + 1)
        || strlen(text) >= sizeof(without)) {
        return false;
    }
    memcpy(without, text, (size_t)(dot - text));
    without[dot - text] = '\0';
    if (!retrace_nevra_parse(&nevra, without)) {
        return false;
    }
    preference->nevra = nevra;
    (void)apr_cpystrn(preference->arch, dot + 1, sizeof(preference->arch));
    return true;
}

bool worker_preference_is(const worker_preference_t *preference,
                          const worker_candidate_t *candidate)
{
    const retrace_nevra_t *nevra = &preference->nevra;
    const char *epoch = candidate->epoch[0] != '\0' ? candidate->epoch : "0";

    return strcmp(nevra->name, candidate->name) == 0
        && strcmp(nevra->version, candidate->version) == 0
        && strcmp(nevra->release, candidate->release) == 0
        && strcmp(preference->arch, candidate->arch) == 0
        && (nevra->epoch[0] == '\0' || strcmp(nevra->epoch, epoch) == 0);
}

apr_array_header_t *worker_preferences(const apr_array_header_t *names, apr_pool_t *p)
{
    apr_array_header_t *preferences = apr_array_make(p, 16, sizeof(worker_preference_t));
    int i;

    for (i = 0; names != NULL && i < names->nelts && preferences->nelts < WORKER_PREFERENCES_MAX;
         i++) {
        worker_preference_t preference = { .text = APR_ARRAY_IDX(names, i, const char *) };

        if (worker_preference_parse(&preference, preference.text)) {
            APR_ARRAY_PUSH(preferences, worker_preference_t) = preference;
        }
    }
    return preferences;
}
