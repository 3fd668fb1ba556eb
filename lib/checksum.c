/* SPDX-License-Identifier: Apache-2.0 */
/* See checksum.h. */
#include "lib/checksum.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define BLOCK (256 * 1024) /* bytes of one read */

typedef struct type_t {
    const char *spelling;
    const char *name; /* OpenSSL's */
    int bits;
} type_t;

static const type_t types[] = {
    { "sha", "sha1", 160 },       { "sha1", "sha1", 160 },      { "sha-1", "sha1", 160 },
    { "sha224", "sha224", 224 },  { "sha-224", "sha224", 224 }, { "sha256", "sha256", 256 },
    { "sha-256", "sha256", 256 }, { "sha384", "sha384", 384 },  { "sha-384", "sha384", 384 },
    { "sha512", "sha512", 512 },  { "sha-512", "sha512", 512 },
};

#define TYPES (sizeof(types) / sizeof(types[0]))

static bool is_digit(char character)
{
    return (character >= '0' && character <= '9') || (character >= 'a' && character <= 'f');
}

/* Without strspn(3), which makes a table at each call: this is called for each package. */
static bool take_digits(char *to, const char *digits, size_t length)
{
    size_t i;

    for (i = 0; i < length; i++) {
        to[i] = digits[i];
        if (to[i] >= 'A' && to[i] <= 'F') {
            to[i] = (char)(to[i] - 'A' + 'a');
        }
        if (!is_digit(to[i])) {
            return false;
        }
    }
    to[length] = '\0';
    return true;
}

bool retrace_checksum_parse(retrace_checksum_t *checksum, const char *type, const char *digits)
{
    size_t length = strlen(digits);
    size_t i;

    checksum->type = NULL;
    for (i = 0; i < TYPES && strcasecmp(types[i].spelling, type) != 0; i++) {
    }
    if (i == TYPES || length != (size_t)types[i].bits / 4
        || !take_digits(checksum->digits, digits, length)) {
        return false;
    }
    checksum->type = types[i].name;
    return true;
}

int retrace_checksum_bits(const retrace_checksum_t *checksum)
{
    return checksum->type != NULL ? (int)strlen(checksum->digits) * 4 : 0;
}

static apr_status_t hash_file(EVP_MD_CTX *context, int fd, retrace_error_t *err)
{
    char *block = malloc(BLOCK);
    off_t offset = 0;
    ssize_t got = block != NULL ? 1 : -1;
    apr_status_t rv = APR_SUCCESS;

    while (got > 0 && (got = pread(fd, block, BLOCK, offset)) > 0) {
        if (EVP_DigestUpdate(context, block, (size_t)got) != 1) {
            rv = retrace_fail(err, APR_EGENERAL, "the crypto library fails");
            break;
        }
        offset += got;
    }
    if (got < 0) {
        rv = retrace_fail(err, errno, "read a file");
    }
    free(block);
    return rv;
}

static apr_status_t compare(const retrace_checksum_t *checksum, EVP_MD_CTX *context,
                            retrace_error_t *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    char digits[2 * EVP_MAX_MD_SIZE + 1] = "";
    unsigned int i;

    if (EVP_DigestFinal_ex(context, digest, &length) != 1) {
        return retrace_fail(err, APR_EGENERAL, "the crypto library fails");
    }
    for (i = 0; i < length; i++) {
        snprintf(digits + 2 * (size_t)i, 3, "%02x", digest[i]);
    }
    return strcmp(digits, checksum->digits) == 0
        ? APR_SUCCESS
        : retrace_fail(err, APR_EINVAL, "its checksum is not the one that is told");
}

apr_status_t retrace_checksum_verify(const retrace_checksum_t *checksum, int fd,
                                     retrace_error_t *err)
{
    const EVP_MD *type = checksum->type != NULL ? EVP_get_digestbyname(checksum->type) : NULL;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    apr_status_t rv;

    if (type == NULL || context == NULL || EVP_DigestInit_ex(context, type, NULL) != 1) {
        rv = retrace_fail(err, APR_EGENERAL, "the crypto library has no %s",
                          checksum->type != NULL ? checksum->type : "checksum");
    }
    else {
        rv = hash_file(context, fd, err);
    }
    if (rv == APR_SUCCESS) {
        rv = compare(checksum, context, err);
    }
    if (rv == APR_SUCCESS && lseek(fd, 0, SEEK_SET) != 0) {
        rv = retrace_fail(err, errno, "read a file");
    }
    EVP_MD_CTX_free(context);
    return rv;
}
