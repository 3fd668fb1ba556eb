/* SPDX-License-Identifier: Apache-2.0 */
/* One stream that becomes the member coredump: a bare core, or a packed file of an archive. */
#ifndef RETRACE_INGEST_CORE_STREAM_H
#define RETRACE_INGEST_CORE_STREAM_H

#include "worker/ingest/sink.h"

/**
 * Read an upload that is one core, plain or packed: an ELF file of the type ET_CORE, anything else
 * is refused. No other file is required. See ingest_read_fn.
 */
void ingest_core_read(ingest_verdict_t *verdict, ingest_source_fn source, void *baton,
                      const int files[INGEST_MEMBERS], const ingest_limits_t *limits);

/**
 * Decode a packed member of an archive into coredump.
 * @param source  gives the packed bytes; when it fails, it has refused
 * @param name    of the packed member, as it may be said
 * @return false when it was refused, also for not being packed
 */
bool ingest_core_unpack(ingest_sink_t *sink, ingest_source_fn source, void *baton,
                        const char *name);

#endif
