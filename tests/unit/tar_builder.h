/* SPDX-License-Identifier: Apache-2.0 */
/* Builds tar archives byte by byte, sound ones and hostile ones that no packer would write, packs
 * them, and hands them out the way a network does. Every function aborts when memory runs out. */
#ifndef RETRACE_TESTS_TAR_BUILDER_H
#define RETRACE_TESTS_TAR_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define TAR_BLOCK 512

typedef struct bytes_t {
    unsigned char *data;
    size_t length;
    size_t capacity;
} bytes_t;

void bytes_add(bytes_t *bytes, const void *data, size_t length);
void bytes_zero(bytes_t *bytes, size_t length);
void bytes_text(bytes_t *bytes, const char *text);
void bytes_free(bytes_t *bytes);

/** A header of type ('0' file, '5' directory, 'S' sparse, 'x' pax, ...) with a right checksum. */
void tar_header(bytes_t *tar, char type, const char *name, const char *link, int64_t size);

/** Mend the checksum of the last header added, after it was changed at header[0..511]. */
void tar_checksum(unsigned char *header);

/** Zeros up to the next block. */
void tar_pad(bytes_t *tar);

void tar_file(bytes_t *tar, const char *name, const void *data, size_t length);
void tar_text(bytes_t *tar, const char *name, const char *text);

/** A record "length key=value\n" of a pax header. */
void pax_record(bytes_t *records, const char *key, const char *value);

/** A pax header ('x' for the next file, 'g' for all) with these records, which are freed. */
void tar_pax(bytes_t *tar, char type, bytes_t *records);

/** The two blocks of zeros at the end. */
void tar_end(bytes_t *tar);

/** coredump, executable and package, as the usual client sends them; without the end. */
void tar_usual(bytes_t *tar);

/** The packed form; the plain one is left as it is. */
bytes_t pack_gzip(const bytes_t *plain);
bytes_t pack_xz(const bytes_t *plain, unsigned int preset);
bytes_t pack_zstd(const bytes_t *plain);
bytes_t pack_lz4(const bytes_t *plain);

/** A zstd frame that asks for the window of this descriptor (RFC 8878, 3.1.1.1.2: exponent << 3 |
 * mantissa), with up to 128 KiB that are not packed. */
bytes_t pack_zstd_window(const bytes_t *plain, unsigned char window);

/** All of them, for tests of what they have in common. */
typedef struct packing_t {
    const char *name; /* as the decoder and its reasons call it */
    const char *suffix;
    bytes_t (*pack)(const bytes_t *plain);
} packing_t;

#define PACKINGS 4
extern const packing_t packings[PACKINGS];

/** Hands out bytes, at most `step` at once (0: all that is asked for). */
typedef struct bytes_source_t {
    const unsigned char *data;
    size_t length;
    size_t at;
    size_t step;
    bool breaks_off; /* an error comes after the last byte */
    int reads;       /* how often it was asked */
} bytes_source_t;

ssize_t bytes_source(void *baton, void *buffer, size_t size);

/** Packs while it is read: some first bytes, then zeros, then nothing more. */
typedef struct bomb_t bomb_t;

bomb_t *bomb_new(const bytes_t *first, int64_t zeros, bool xz);
ssize_t bomb_source(void *baton, void *buffer, size_t size);
void bomb_free(bomb_t *bomb);

#endif
