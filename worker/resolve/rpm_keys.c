/* SPDX-License-Identifier: Apache-2.0 */
/* See rpm_keys.h. */
#include "worker/resolve/rpm_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <rpm/rpmpgp.h>
#include <stdlib.h>
#include <string.h>

#include "lib/fs.h"

#define ARMOR                 "-----BEGIN PGP PUBLIC KEY BLOCK-----"
#define PACKET_SIGNATURE      2    /* RFC 4880, 4.3 */
#define SIGNATURE_REVOKES_KEY 0x20 /* RFC 4880, 5.2.1 */

bool worker_keys_are_required(const retrace_config_t *config, const char *release)
{
    return config->require_gpg_check && strstr(release, "-rawhide-") == NULL;
}

/* --- Revoked keys -------------------------------------------------------------------------- */

/* One packet (RFC 4880, 4.2); false when it is none that is whole. @param ptag  its kind */
static bool next_packet(int *ptag, const uint8_t **pbody, size_t *plength, const uint8_t **pat,
                        const uint8_t *end)
{
    const uint8_t *at = *pat;
    size_t left = (size_t)(end - at);
    size_t header = 2;
    size_t length;
    size_t i;

    if (left < 2 || (at[0] & 0x80) == 0) {
        return false;
    }
    if ((at[0] & 0x40) != 0) {
        header = at[1] < 192 ? 2 : at[1] < 224 ? 3 : at[1] == 255 ? 6 : 0;
    }
    else {
        header = (at[0] & 3) == 3 ? 0 : 1 + ((size_t)1 << (at[0] & 3));
    }
    if (header == 0 || left < header) {
        return false;
    }
    if ((at[0] & 0x40) != 0 && header == 3) {
        length = ((size_t)(at[1] - 192) << 8) + at[2] + 192;
    }
    else {
        for (length = 0, i = header == 6 ? 2 : 1; i < header; i++) {
            length = (length << 8) | at[i];
        }
    }
    if (length > left - header) {
        return false;
    }
    *ptag = (at[0] & 0x40) != 0 ? at[0] & 0x3f : (at[0] >> 2) & 0xf;
    *pbody = at + header;
    *plength = length;
    *pat = at + header + length;
    return true;
}

/* Not every librpm looks at it. Whether its signature is good is not asked: the file is the
 * admin's, and to do without a key is the safe side. */
static bool is_revoked(const uint8_t *packets, size_t length)
{
    const uint8_t *at = packets;
    const uint8_t *body = NULL;
    size_t size = 0;
    int tag = 0;

    while (next_packet(&tag, &body, &size, &at, packets + length)) {
        if (tag == PACKET_SIGNATURE && size > 2
            && body[body[0] <= 3 ? 2 : 1] == SIGNATURE_REVOKES_KEY) {
            return true;
        }
    }
    return false;
}

/* --- Loading ------------------------------------------------------------------------------- */

typedef struct loading_t {
    rpmKeyring keyring;
    int added;
    int revoked;
} loading_t;

/* Packets of one key; the keys that sign are often its subkeys. */
static void add_key(loading_t *loading, const uint8_t *packets, size_t length)
{
    rpmPubkey key = rpmPubkeyNew(packets, length);
    rpmPubkey *subkeys;
    int count = 0;
    int i;

    if (key == NULL) {
        return;
    }
    (void)rpmKeyringAddKey(loading->keyring, key);
    subkeys = rpmGetSubkeys(key, &count);
    for (i = 0; i < count; i++) {
        (void)rpmKeyringAddKey(loading->keyring, subkeys[i]);
        rpmPubkeyFree(subkeys[i]);
    }
    free(subkeys);
    rpmPubkeyFree(key);
    loading->added++;
}

static void add_keys(loading_t *loading, const uint8_t *packets, size_t length)
{
    size_t one = 0;

    while (length > 0 && pgpPubKeyCertLen(packets, length, &one) == 0 && one > 0 && one <= length) {
        if (is_revoked(packets, one)) {
            loading->revoked++;
        }
        else {
            add_key(loading, packets, one);
        }
        packets += one;
        length -= one;
    }
}

static void add_armored(loading_t *loading, const char *text)
{
    const char *at;

    for (at = strstr(text, ARMOR); at != NULL; at = strstr(at + 1, ARMOR)) {
        uint8_t *packets = NULL;
        size_t length = 0;

        if (pgpParsePkts(at, &packets, &length) == PGPARMOR_PUBKEY) {
            add_keys(loading, packets, length);
        }
        free(packets);
    }
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size
        && a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* The content and its state belong together: a file that was exchanged meanwhile is not used. */
static apr_status_t read_file(const char **ptext, apr_size_t *plength, struct stat *info,
                              const char *path, retrace_error_t *err, apr_pool_t *p)
{
    struct stat after;
    apr_status_t rv;

    if (stat(path, info) != 0) {
        return retrace_fail(err, errno, "look at %s", path);
    }
    rv = retrace_fs_require_owner(info, path, err);
    if (rv == APR_SUCCESS) {
        rv = retrace_fs_read(ptext, plength, AT_FDCWD, path, WORKER_KEYS_MAX_BYTES, err, p);
    }
    if (rv == APR_SUCCESS && (stat(path, &after) != 0 || !is_same(info, &after))) {
        rv = retrace_fail(err, APR_EGENERAL, "%s was changed while it was read", path);
    }
    return rv;
}

apr_status_t worker_keys_load(rpmKeyring keyring, struct stat *info, const char *path,
                              retrace_error_t *err, apr_pool_t *p)
{
    const char *text = NULL;
    apr_size_t length = 0;
    char *real = realpath(path, NULL);
    loading_t loading = { .keyring = keyring };
    apr_status_t rv;

    rv = read_file(&text, &length, info, real != NULL ? real : path, err, p);
    free(real);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    add_armored(&loading, text);
    if (loading.added + loading.revoked == 0) {
        add_keys(&loading, (const uint8_t *)text, length);
    }
    if (loading.added == 0) {
        return retrace_fail(err, APR_EINVAL, "%s holds no public key%s", path,
                            loading.revoked > 0 ? " that was not revoked" : "");
    }
    return APR_SUCCESS;
}
