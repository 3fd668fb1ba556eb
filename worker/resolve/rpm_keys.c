/* SPDX-License-Identifier: Apache-2.0 */
/* See rpm_keys.h. */
#include "worker/resolve/rpm_keys.h"

#include <apr_strings.h>
#include <fcntl.h>
#include <rpm/rpmpgp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/fs.h"

#define ARMOR "-----BEGIN PGP PUBLIC KEY BLOCK-----"

/* Cuts the last part off `fedora-36-x86_64`; false when there is none. */
static bool cut_part(char *release)
{
    char *dash = strrchr(release, '-');

    if (dash == NULL) {
        return false;
    }
    *dash = '\0';
    return true;
}

bool worker_keys_are_required(const retrace_config_t *config, const char *release)
{
    return config->require_gpg_check && strstr(release, "-rawhide-") == NULL;
}

apr_status_t worker_keys_find(const char **ppath, const retrace_config_t *config,
                              const char *release, retrace_error_t *err, apr_pool_t *p)
{
    char *name = apr_pstrdup(p, release);

    while (cut_part(name)) {
        const char *path = apr_pstrcat(p, config->gpg_key_dir, "/", name, NULL);

        if (access(path, F_OK) == 0) {
            *ppath = path;
            return APR_SUCCESS;
        }
    }
    return retrace_fail(err, APR_ENOENT, "there is no file of keys for %s in %s", release,
                        config->gpg_key_dir);
}

/* Packets of one key; the keys that sign are often its subkeys. */
static int add_key(rpmKeyring keyring, const uint8_t *packets, size_t length)
{
    rpmPubkey key = rpmPubkeyNew(packets, length);
    rpmPubkey *subkeys;
    int count = 0;
    int i;

    if (key == NULL) {
        return 0;
    }
    (void)rpmKeyringAddKey(keyring, key);
    subkeys = rpmGetSubkeys(key, &count);
    for (i = 0; i < count; i++) {
        (void)rpmKeyringAddKey(keyring, subkeys[i]);
        rpmPubkeyFree(subkeys[i]);
    }
    free(subkeys);
    rpmPubkeyFree(key);
    return 1;
}

static int add_keys(rpmKeyring keyring, const uint8_t *packets, size_t length)
{
    size_t one = 0;
    int added = 0;

    while (length > 0 && pgpPubKeyCertLen(packets, length, &one) == 0 && one > 0 && one <= length) {
        added += add_key(keyring, packets, one);
        packets += one;
        length -= one;
    }
    return added;
}

static int add_armored(rpmKeyring keyring, const char *text)
{
    const char *at;
    int added = 0;

    for (at = strstr(text, ARMOR); at != NULL; at = strstr(at + 1, ARMOR)) {
        uint8_t *packets = NULL;
        size_t length = 0;

        if (pgpParsePkts(at, &packets, &length) == PGPARMOR_PUBKEY) {
            added += add_keys(keyring, packets, length);
        }
        free(packets);
    }
    return added;
}

apr_status_t worker_keys_load(rpmKeyring keyring, const char *path, retrace_error_t *err,
                              apr_pool_t *p)
{
    const char *text = NULL;
    apr_size_t length = 0;
    char *real = realpath(path, NULL);
    apr_status_t rv;
    int added;

    rv = retrace_fs_read(&text, &length, AT_FDCWD, real != NULL ? real : path,
                         WORKER_KEYS_MAX_BYTES, err, p);
    free(real);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    added = add_armored(keyring, text);
    if (added == 0) {
        added = add_keys(keyring, (const uint8_t *)text, length);
    }
    return added > 0 ? APR_SUCCESS : retrace_fail(err, APR_EINVAL, "%s holds no public key", path);
}
