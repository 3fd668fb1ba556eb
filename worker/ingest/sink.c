/* SPDX-License-Identifier: Apache-2.0 */
/* See sink.h. */
#include "worker/ingest/sink.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

#include "worker/ingest/sparse_file.h"

void ingest_sink_open(ingest_sink_t *sink, const int files[INGEST_MEMBERS],
                      const ingest_limits_t *limits)
{
    memset(sink, 0, sizeof(*sink));
    sink->files = files;
    sink->limits = limits;
}

bool ingest_sink_check_space(ingest_sink_t *sink)
{
    struct statvfs fs;
    char size[32];
    uint64_t free_bytes;

    sink->unchecked_bytes = 0;
    if (fstatvfs(sink->files[0], &fs) != 0) {
        return ingest_refuse(&sink->refusal, 500, "the free space cannot be told: %s",
                             strerror(errno));
    }
    if (__builtin_mul_overflow((uint64_t)fs.f_bavail, (uint64_t)fs.f_frsize, &free_bytes)
        || sink->limits->min_free_bytes <= 0
        || free_bytes >= (uint64_t)sink->limits->min_free_bytes) {
        return true;
    }
    return ingest_refuse(&sink->refusal, 507, "less than %s of storage would stay free",
                         ingest_say_size(size, sink->limits->min_free_bytes));
}

static bool refuse_write(ingest_sink_t *sink, int error, const char *name)
{
    char size[32];

    if (error == ENOSPC || error == EDQUOT) {
        return ingest_refuse(&sink->refusal, 507, "the storage is full (%s of it should stay free)",
                             ingest_say_size(size, sink->limits->min_free_bytes));
    }
    return ingest_refuse(&sink->refusal, 500, "the file %s cannot be written: %s", name,
                         strerror(error));
}

bool ingest_sink_count(ingest_sink_t *sink, int64_t bytes)
{
    int64_t limit = sink->limits->max_unpacked_bytes;
    char text[32];

    if (bytes > limit - sink->counted_bytes) {
        return ingest_refuse(&sink->refusal, 413, "the unpacked files are larger than %s",
                             ingest_say_size(text, limit));
    }
    sink->counted_bytes += bytes;
    return true;
}

bool ingest_sink_write(ingest_sink_t *sink, ingest_member_t member, const void *data, size_t length,
                       int64_t offset)
{
    int64_t written = 0;
    int error = ingest_sparse_write(sink->files[member], data, length, offset, &written);

    if (error != 0) {
        return refuse_write(sink, error, ingest_member_rule(member)->name);
    }
    sink->unchecked_bytes += written;
    return sink->unchecked_bytes < INGEST_SPACE_CHECK_STEP || ingest_sink_check_space(sink);
}

bool ingest_sink_finish(ingest_sink_t *sink, ingest_member_t member, int64_t size)
{
    int error = ingest_sparse_finish(sink->files[member], size);

    if (error != 0) {
        return refuse_write(sink, error, ingest_member_rule(member)->name);
    }
    sink->members |= UINT32_C(1) << member;
    return true;
}

void ingest_sink_judge(ingest_verdict_t *verdict, const ingest_sink_t *sink)
{
    verdict->status = sink->refusal.status == 0 ? 201 : sink->refusal.status;
    memcpy(verdict->sentence, sink->refusal.sentence, sizeof(verdict->sentence));
    verdict->members = sink->members;
}
