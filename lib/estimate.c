/* SPDX-License-Identifier: Apache-2.0 */
/* See estimate.h. */
#include "lib/estimate.h"

#include <stdlib.h>
#include <string.h>

#define ANY          "-"
#define WAIT_MAX_S   (INT64_C(7) * 24 * 3600)
#define DIGITS_MAX_S 7 /* of a number of seconds; longer ones do not count */

/* The seconds of a line "<package> <release> <seconds>\n", 0 when it is another one. */
static int64_t match_line(const char *line, const char *package, const char *release)
{
    size_t package_length = strlen(package);
    size_t release_length = strlen(release);
    const char *at = line + package_length + 1;
    size_t digits;

    if (strncmp(line, package, package_length) != 0 || line[package_length] != ' '
        || strncmp(at, release, release_length) != 0 || at[release_length] != ' ') {
        return 0;
    }
    at += release_length + 1;
    digits = strspn(at, "0123456789");
    return digits > 0 && digits <= DIGITS_MAX_S ? atoll(at) : 0;
}

static int64_t find(const char *text, const char *package, const char *release)
{
    const char *line = text;
    int64_t seconds;

    while (*line != '\0') {
        seconds = match_line(line, package, release);
        if (seconds > 0) {
            return seconds;
        }
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    return 0;
}

int64_t retrace_estimate_find(const char *text, const char *package, const char *release)
{
    int64_t seconds = 0;

    if (text == NULL) {
        return RETRACE_ESTIMATE_DEFAULT_S;
    }
    if (package != NULL && release != NULL) {
        seconds = find(text, package, release);
    }
    if (seconds == 0 && release != NULL) {
        seconds = find(text, ANY, release);
    }
    if (seconds == 0) {
        seconds = find(text, ANY, ANY);
    }
    return seconds > 0 ? seconds : RETRACE_ESTIMATE_DEFAULT_S;
}

int64_t retrace_estimate_wait(int64_t own_s, int64_t any_s, int64_t ahead, int64_t parallel)
{
    int64_t wait_s = own_s + (ahead / (parallel > 0 ? parallel : 1)) * any_s;

    if (wait_s < 1) {
        return 1;
    }
    return wait_s < WAIT_MAX_S ? wait_s : WAIT_MAX_S;
}
