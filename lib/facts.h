/* SPDX-License-Identifier: Apache-2.0 */
/* What a run found out about its crash, for statistics and for whoever asks: the worker writes the
 * file `facts` of the task before it publishes the result, the dispatcher takes it into the
 * database, httpd shows the times. Lines of `key value …`; unknown ones are passed over. Pure. */
#ifndef RETRACE_FACTS_H
#define RETRACE_FACTS_H

#include <apr_pools.h>
#include <apr_tables.h>
#include <stdint.h>

#define RETRACE_FACTS_MAX         (256 * 1024) /* bytes of the file */
#define RETRACE_FACTS_MAX_MISSING 512          /* files that are listed as missing */

/** The stages of a run whose time is taken, in their order. */
typedef enum retrace_timing_t {
    RETRACE_TIMING_ANALYZE,     /* read the core */
    RETRACE_TIMING_ENVIRONMENT, /* find the files */
    RETRACE_TIMING_DEBUGGER,    /* run gdb */
    RETRACE_TIMING_REPORT,      /* compose the report */
    RETRACE_TIMINGS             /* how many */
} retrace_timing_t;

/** A file that no source had. */
typedef struct retrace_missing_t {
    const char *kind;     /* executable, debuginfo, dwz */
    const char *build_id; /* lower-case hexadecimal */
    const char *path;     /* escaped: printable ASCII */
} retrace_missing_t;

#define RETRACE_FACT_UNKNOWN "-"

/** Strings are never NULL: RETRACE_FACT_UNKNOWN for what is not known. */
typedef struct retrace_facts_t {
    const char *package; /* name alone */
    const char *version; /* [epoch:]version-release */
    const char *release; /* as lib/release.h says */
    const char *arch;
    int64_t core_bytes;
    int64_t timing_ms[RETRACE_TIMINGS]; /* -1: the run did not get that far */
    int64_t cache_hits;                 /* files that were in the cache */
    int64_t cache_misses;               /* files that were found elsewhere, or not at all */
    apr_array_header_t *missing;        /* of retrace_missing_t */
} retrace_facts_t;

/** Facts of which nothing is known yet, in p. */
retrace_facts_t *retrace_facts_make(apr_pool_t *p);

/** The name of a stage: analyze, environment, debugger, report. */
const char *retrace_timing_name(retrace_timing_t timing);

/** The file's content, in p. White space and control characters of values become '?'. */
const char *retrace_facts_format(const retrace_facts_t *facts, apr_pool_t *p);

/** Read a file's content; a line that is malformed is passed over. Never fails; in p. */
retrace_facts_t *retrace_facts_parse(const char *text, apr_pool_t *p);

#endif
