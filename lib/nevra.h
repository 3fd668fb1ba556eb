/* SPDX-License-Identifier: Apache-2.0 */
/* Names of packages as clients send them, taken apart. Any of the forms that were seen: `bash-5.1-2.fc36`,
 * `gedit-2:3.2-1`, `2:gedit-3.2-1` (epoch before the name, ABRT before 2.14.3). Pure. */
#ifndef RETRACE_NEVRA_H
#define RETRACE_NEVRA_H

#include <stdbool.h>

#define RETRACE_NEVRA_MAX 256 /* bytes of a whole name, with the NUL; longer ones are refused */

/** The parts, each NUL-terminated; only the epoch may be empty. */
typedef struct retrace_nevra_t {
    char name[RETRACE_NEVRA_MAX];
    char epoch[16]; /* digits; "" for none */
    char version[RETRACE_NEVRA_MAX];
    char release[RETRACE_NEVRA_MAX];
} retrace_nevra_t;

/**
 * Take a package's name apart. Letters, digits and `._+~^-` may occur, and one `:` behind an epoch;
 * neither a name nor a version may begin with a dot, since some of them become names of files.
 * @param nevra  written only on success
 * @param text   without architecture
 * @return false for anything else
 */
bool retrace_nevra_parse(retrace_nevra_t *nevra, const char *text);

#endif
