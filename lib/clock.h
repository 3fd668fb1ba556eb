/* SPDX-License-Identifier: Apache-2.0 */
/* A clock for durations: nobody sets it. */
#ifndef RETRACE_CLOCK_H
#define RETRACE_CLOCK_H

#include <stdint.h>

/** Milliseconds since some moment in the past. */
int64_t retrace_clock_ms(void);

#endif
