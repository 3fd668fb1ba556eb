/* SPDX-License-Identifier: Apache-2.0 */
/* See checksum.h. */
#include "worker/resolve/checksum.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK (256 * 1024) /* bytes of one read */

static apr_status_t read_all(EVP_MD_CTX *context, int fd, retrace_error_t *err)
{
    char *block = malloc(BLOCK);
    off_t offset = 0;
    ssize_t length = block != NULL ? 1 : -1;

    while (length > 0 && (length = pread(fd, block, BLOCK, offset)) > 0) {
        (void)EVP_DigestUpdate(context, block, (size_t)length);
        offset += length;
    }
    free(block);
    return length == 0 ? APR_SUCCESS : retrace_fail(err, errno, "read a file");
}

static void to_hex(char *hex, const unsigned char *bytes, unsigned int count)
{
    static const char digits[] = "0123456789abcdef";
    unsigned int i;

    for (i = 0; i < count; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    hex[2 * count] = '\0';
}

apr_status_t worker_checksum_verify(int fd, const worker_checksum_t *checksum, retrace_error_t *err)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const EVP_MD *type = EVP_get_digestbyname(checksum->type);
    unsigned char digest[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE + 1];
    unsigned int length = 0;
    apr_status_t rv;

    if (context == NULL || type == NULL || EVP_DigestInit_ex(context, type, NULL) != 1) {
        EVP_MD_CTX_free(context);
        return retrace_fail(err, APR_EGENERAL, "%s cannot be computed here", checksum->type);
    }
    rv = read_all(context, fd, err);
    if (rv == APR_SUCCESS && EVP_DigestFinal_ex(context, digest, &length) != 1) {
        rv = retrace_fail(err, APR_EGENERAL, "%s cannot be computed here", checksum->type);
    }
    EVP_MD_CTX_free(context);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    to_hex(hex, digest, length);
    if (strcmp(hex, checksum->hex) != 0) {
        return retrace_fail(err, APR_EINVAL, "it has another %s than it should have",
                            checksum->type);
    }
    return lseek(fd, 0, SEEK_SET) == 0 ? APR_SUCCESS : retrace_fail(err, errno, "read a file");
}
