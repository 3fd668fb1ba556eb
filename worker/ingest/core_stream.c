/* SPDX-License-Identifier: Apache-2.0 */
/* See core_stream.h. What a bare core must begin with is looked at while it is written: a refusal
 * leaves nothing behind anyway. */
#include "worker/ingest/core_stream.h"

#include <string.h>

#include "worker/ingest/head.h"

typedef struct core_stream_t {
    ingest_sink_t *sink;
    ingest_decoder_t *decoder;
    const char *packed_name; /* of a member of an archive; NULL: a bare core */
    int64_t position;
    unsigned char head[INGEST_HEAD_MAX];
    size_t head_length;
} core_stream_t;

static bool judge_head(const core_stream_t *core)
{
    if (ingest_head_is_core(core->head, core->head_length)) {
        return true;
    }
    if (ingest_head_is_tar(core->head, core->head_length)) {
        return ingest_refuse(&core->sink->refusal, 403,
                             "the upload is a tar archive: send it as application/x-tar");
    }
    return ingest_refuse(&core->sink->refusal, 403,
                         "the upload is not a core: an ELF file of type ET_CORE is expected");
}

/* Judges the head once it is whole. */
static bool add_to_head(core_stream_t *core, const void *data, size_t length)
{
    size_t room = sizeof(core->head) - core->head_length;

    if (room == 0) {
        return true;
    }
    if (length > room) {
        length = room;
    }
    memcpy(core->head + core->head_length, data, length);
    core->head_length += length;
    return length < room || judge_head(core);
}

static bool check_is_packed(const core_stream_t *core)
{
    return ingest_decoder_is_packed(core->decoder)
        || ingest_refuse(&core->sink->refusal, 403, "the file %s is not packed", core->packed_name);
}

static bool check_piece(core_stream_t *core, const void *data, size_t length)
{
    return core->packed_name != NULL ? check_is_packed(core) : add_to_head(core, data, length);
}

static bool check_end(const core_stream_t *core)
{
    if (core->packed_name != NULL) {
        return check_is_packed(core);
    }
    return core->head_length == sizeof(core->head) || judge_head(core);
}

static bool decode(core_stream_t *core)
{
    ingest_decode_status_t status;
    const void *data;
    size_t length;

    while ((status = ingest_decoder_read(core->decoder, &data, &length)) == INGEST_DECODE_OK) {
        if (!check_piece(core, data, length) || !ingest_sink_count(core->sink, (int64_t)length)
            || !ingest_sink_write(core->sink, INGEST_COREDUMP, data, length, core->position)) {
            return false;
        }
        core->position += (int64_t)length;
    }
    if (status != INGEST_DECODE_END) {
        return ingest_decoder_refuse(core->decoder, &core->sink->refusal, core->packed_name);
    }
    return check_end(core) && ingest_sink_finish(core->sink, INGEST_COREDUMP, core->position);
}

static bool read_stream(ingest_sink_t *sink, ingest_source_fn source, void *baton,
                        const char *packed_name)
{
    core_stream_t core = { .sink = sink, .packed_name = packed_name };
    bool done;

    core.decoder = ingest_decoder_new(source, baton);
    if (core.decoder == NULL) {
        return ingest_refuse(&sink->refusal, 500, "there is no memory to decode the upload");
    }
    done = decode(&core);
    ingest_decoder_free(core.decoder);
    return done;
}

bool ingest_core_unpack(ingest_sink_t *sink, ingest_source_fn source, void *baton, const char *name)
{
    return read_stream(sink, source, baton, name);
}

void ingest_core_read(ingest_verdict_t *verdict, ingest_source_fn source, void *baton,
                      const int files[INGEST_MEMBERS], const ingest_limits_t *limits)
{
    ingest_sink_t sink;

    ingest_sink_open(&sink, files, limits);
    (void)(ingest_sink_check_space(&sink) && read_stream(&sink, source, baton, NULL)
           && ingest_sink_check_space(&sink));
    ingest_sink_judge(verdict, &sink);
}
