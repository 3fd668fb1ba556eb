/* SPDX-License-Identifier: Apache-2.0 */
/* Random ids and passwords, and the digest that is stored instead of a password. */
#ifndef RETRACE_SECRET_H
#define RETRACE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/error.h"

#define RETRACE_PASSWORD_MIN      22  /* characters of [a-zA-Z0-9]: 131 bits */
#define RETRACE_PASSWORD_MAX      128 /* characters */
#define RETRACE_SECRET_DIGEST_LEN 64  /* hexadecimal digits of a SHA-256 */

/** A digest as lower-case hexadecimal text, NUL included. */
typedef struct retrace_secret_digest_t {
    char text[RETRACE_SECRET_DIGEST_LEN + 1];
} retrace_secret_digest_t;

/**
 * A password of `length` characters of [a-zA-Z0-9], each equally likely (getrandom(2), rejection
 * sampling).
 * @param buffer  receives length + 1 bytes
 * @return false when the system gives no random bytes
 */
bool retrace_secret_password(char *buffer, size_t length);

/** A random task id (id.h). @return false when the system gives no random bytes */
bool retrace_secret_id(uint32_t *pid);

/**
 * SHA-256 (FIPS 180-4) of a password. The passwords are random and long, so no slow hash is needed.
 * @return false when the crypto library fails
 */
bool retrace_secret_digest(retrace_secret_digest_t *digest, const char *password);

/**
 * Does the password have this stored digest? Takes the same time wherever the two differ.
 * @param stored  text of a digest, `length` bytes, a final newline is allowed
 */
bool retrace_secret_matches(const char *stored, size_t length, const char *password);

#endif
