/* SPDX-License-Identifier: Apache-2.0 */
/* See xml.h: names and texts, and where the bytes come from. */
#include "lib/xml.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"

#define BLOCK (256 * 1024) /* bytes of one read */
#define MS    1000

const char *retrace_xml_plain_name(const char *name)
{
    const char *colon = strchr(name, ':');

    return colon != NULL ? colon + 1 : name;
}

const char *retrace_xml_attribute(const char *const *attributes, const char *name)
{
    for (; attributes[0] != NULL; attributes += 2) {
        if (strcmp(attributes[0], name) == 0
            || strcmp(retrace_xml_plain_name(attributes[0]), name) == 0) {
            return attributes[1];
        }
    }
    return "";
}

/* Without strspn(3), which makes a table at each call: this is called for each name. */
static bool is_blank(char character)
{
    return character == ' ' || character == '\n' || character == '\t' || character == '\r';
}

bool retrace_xml_copy(char *to, size_t size, const char *text)
{
    size_t length;

    while (is_blank(*text)) {
        text++;
    }
    length = strlen(text);
    while (length > 0 && is_blank(text[length - 1])) {
        length--;
    }
    if (length >= size) {
        to[0] = '\0';
        return false;
    }
    memcpy(to, text, length);
    to[length] = '\0';
    return true;
}

/* --- A text -------------------------------------------------------------------------------- */

typedef struct text_t {
    const char *at;
    size_t left;
} text_t;

static ssize_t read_text(void *baton, char *buffer, size_t length, retrace_error_t *err)
{
    text_t *text = baton;
    size_t taken = text->left < length ? text->left : length;

    (void)err;
    memcpy(buffer, text->at, taken);
    text->at += taken;
    text->left -= taken;
    return (ssize_t)taken;
}

apr_status_t retrace_xml_read_text(const char *text, size_t length,
                                   const retrace_xml_events_t *events, retrace_error_t *err)
{
    text_t source = { text, length };
    const retrace_xml_input_t input = { read_text, &source };

    return retrace_xml_parse(&input, events, err);
}

/* --- A packed file ------------------------------------------------------------------------- */

typedef struct unpacked_t {
    struct archive *archive;
    const retrace_xml_limits_t *limits;
    int64_t left;
    int64_t deadline_ms; /* of all that is read */
} unpacked_t;

static ssize_t read_unpacked(void *baton, char *buffer, size_t length, retrace_error_t *err)
{
    unpacked_t *unpacked = baton;
    la_ssize_t got = archive_read_data(unpacked->archive, buffer, length);

    if (got < 0) {
        (void)retrace_fail(err, APR_EINVAL, "it cannot be unpacked: %s",
                           archive_error_string(unpacked->archive));
        return -1;
    }
    unpacked->left -= got;
    if (unpacked->left < 0) {
        (void)retrace_fail(err, APR_EINVAL, "it has more than %ld bytes unpacked",
                           (long)unpacked->limits->max_bytes);
        return -1;
    }
    if (retrace_clock_ms() > unpacked->deadline_ms) {
        (void)retrace_fail(err, APR_EINVAL, "it took more than %ld s to unpack",
                           (long)(unpacked->limits->max_ms / MS));
        return -1;
    }
    return got;
}

static void allow_formats(struct archive *archive)
{
    (void)archive_read_support_filter_gzip(archive);
    (void)archive_read_support_filter_bzip2(archive);
    (void)archive_read_support_filter_xz(archive);
    (void)archive_read_support_filter_zstd(archive);
    (void)archive_read_support_format_raw(archive);
    (void)archive_read_support_format_empty(archive);
}

static apr_status_t open_packed(unpacked_t *unpacked, int fd, retrace_error_t *err)
{
    struct archive_entry *entry = NULL;

    unpacked->left = unpacked->limits->max_bytes;
    unpacked->archive = archive_read_new();
    if (unpacked->archive == NULL) {
        return retrace_fail(err, APR_ENOMEM, "unpack a file");
    }
    allow_formats(unpacked->archive);
    if (lseek(fd, 0, SEEK_SET) != 0) {
        return retrace_fail(err, errno, "read a file");
    }
    return archive_read_open_fd(unpacked->archive, fd, BLOCK) == ARCHIVE_OK
            && archive_read_next_header(unpacked->archive, &entry) == ARCHIVE_OK
        ? APR_SUCCESS
        : retrace_fail(err, APR_EINVAL, "it cannot be unpacked: %s",
                       archive_error_string(unpacked->archive));
}

/* Both readers tell the same: what the scanner has told is passed over. */
typedef struct rest_t {
    const retrace_xml_events_t *events;
    int64_t told; /* calls that were made already */
} rest_t;

static apr_status_t start_of_rest(void *baton, const char *name, const char *const *attributes,
                                  retrace_error_t *err)
{
    rest_t *rest = baton;

    return rest->told-- > 0 ? APR_SUCCESS
                            : rest->events->start(rest->events->baton, name, attributes, err);
}

static apr_status_t end_of_rest(void *baton, const char *name, const char *text,
                                retrace_error_t *err)
{
    rest_t *rest = baton;

    return rest->told-- > 0 ? APR_SUCCESS : rest->events->end(rest->events->baton, name, text, err);
}

static apr_status_t scan(int64_t *ptold, unpacked_t *unpacked, int fd,
                         const retrace_xml_events_t *events, retrace_error_t *err)
{
    const retrace_xml_input_t input = { read_unpacked, unpacked };
    apr_status_t rv = open_packed(unpacked, fd, err);

    if (rv == APR_SUCCESS) {
        rv = retrace_xml_scan(ptold, &input, events, err);
    }
    (void)archive_read_free(unpacked->archive);
    return rv;
}

static apr_status_t parse_rest(int64_t told, unpacked_t *unpacked, int fd,
                               const retrace_xml_events_t *events, retrace_error_t *err)
{
    rest_t rest = { events, told };
    const retrace_xml_events_t rest_events = { start_of_rest, end_of_rest, &rest };
    const retrace_xml_input_t input = { read_unpacked, unpacked };
    apr_status_t rv = open_packed(unpacked, fd, err);

    if (rv == APR_SUCCESS) {
        rv = retrace_xml_parse(&input, &rest_events, err);
    }
    (void)archive_read_free(unpacked->archive);
    return rv;
}

apr_status_t retrace_xml_read_file(int fd, const retrace_xml_limits_t *limits,
                                   const retrace_xml_events_t *events, retrace_error_t *err)
{
    unpacked_t unpacked = { .limits = limits, .deadline_ms = retrace_clock_ms() + limits->max_ms };
    int64_t told = 0;
    apr_status_t rv = scan(&told, &unpacked, fd, events, err);

    return rv == APR_ENOTIMPL ? parse_rest(told, &unpacked, fd, events, err) : rv;
}
