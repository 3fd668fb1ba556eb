/* SPDX-License-Identifier: Apache-2.0 */
/* See secret.h. */
#include "lib/secret.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

#include "lib/id.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

#define ALPHABET_LEN (sizeof(alphabet) - 1)
/* Bytes from here on would make the first letters of the alphabet likelier than the others. */
#define BYTE_LIMIT (256 - 256 % ALPHABET_LEN)

bool retrace_secret_password(char *buffer, size_t length)
{
    size_t done = 0;
    unsigned char byte;

    while (done < length) {
        if (getrandom(&byte, 1, 0) != 1) {
            return false;
        }
        if (byte < BYTE_LIMIT) {
            buffer[done++] = alphabet[byte % ALPHABET_LEN];
        }
    }
    buffer[length] = '\0';
    return true;
}

bool retrace_secret_id(uint32_t *pid)
{
    uint64_t random;

    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        return false;
    }
    *pid = (uint32_t)(RETRACE_ID_MIN + random % (RETRACE_ID_MAX - RETRACE_ID_MIN + 1));
    return true;
}

bool retrace_secret_digest(retrace_secret_digest_t *digest, const char *password)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char raw[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    unsigned int i;

    if (EVP_Digest(password, strlen(password), raw, &length, EVP_sha256(), NULL) != 1) {
        return false;
    }
    for (i = 0; i < length; i++) {
        digest->text[2 * i] = hex[raw[i] >> 4];
        digest->text[2 * i + 1] = hex[raw[i] & 15];
    }
    digest->text[2 * length] = '\0';
    return true;
}

bool retrace_secret_matches(const char *stored, size_t length, const char *password)
{
    retrace_secret_digest_t digest;

    if (length == RETRACE_SECRET_DIGEST_LEN + 1 && stored[length - 1] == '\n') {
        length--;
    }
    if (length != RETRACE_SECRET_DIGEST_LEN || !retrace_secret_digest(&digest, password)) {
        return false;
    }
    return CRYPTO_memcmp(stored, digest.text, RETRACE_SECRET_DIGEST_LEN) == 0;
}
