/* SPDX-License-Identifier: Apache-2.0 */
/* See forecast.h. */
#include "worker/ingest/forecast.h"

#include <apr_strings.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/estimate.h"
#include "lib/fs.h"
#include "lib/nevra.h"
#include "lib/queue.h"
#include "lib/release.h"
#include "worker/ingest/member.h"

#define LINE_BYTES 512 /* bytes that are looked at; what is longer is no name of anything */

/* The first line of an uploaded file, without blanks at its end; "" when there is none. */
static const char *read_line(int crash, ingest_member_t member, apr_pool_t *scratch)
{
    int fd = openat(crash, ingest_member_rule(member)->name,
                    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char text[LINE_BYTES];
    ssize_t length;

    if (fd < 0) {
        return "";
    }
    length = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    if (length < 0) {
        return "";
    }
    text[length] = '\0';
    length = (ssize_t)strcspn(text, "\r\n");
    while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t')) {
        length--;
    }
    return apr_pstrmemdup(scratch, text, (apr_size_t)length);
}

static bool find_release(retrace_release_t *release, int crash, const retrace_nevra_t *package,
                         apr_pool_t *scratch)
{
    return retrace_release_from_text(release,
                                     read_line(crash, INGEST_OS_RELEASE_IN_ROOTDIR, scratch))
        || retrace_release_from_text(release, read_line(crash, INGEST_OS_RELEASE, scratch))
        || retrace_release_from_text(release, read_line(crash, INGEST_RELEASE, scratch))
        || (package != NULL && retrace_release_from_tag(release, package->release));
}

static int64_t count_ahead(const retrace_spool_t *spool, apr_pool_t *scratch)
{
    apr_array_header_t *due = NULL;
    apr_array_header_t *running = NULL;
    int64_t ahead = 0;

    if (retrace_queue_list_due(&due, spool, NULL, scratch) == APR_SUCCESS) {
        ahead += due->nelts;
    }
    if (retrace_queue_list_running(&running, spool, NULL, scratch) == APR_SUCCESS) {
        ahead += running->nelts;
    }
    return ahead;
}

int64_t ingest_forecast(const retrace_spool_t *spool, int crash, const retrace_config_t *config,
                        apr_pool_t *scratch)
{
    const char *text = NULL;
    retrace_release_t release;
    retrace_nevra_t package;
    bool has_package = retrace_nevra_parse(&package, read_line(crash, INGEST_PACKAGE, scratch));
    bool has_release = find_release(&release, crash, has_package ? &package : NULL, scratch);

    /* Without statistics there is no such file, and one that cannot be read is none. */
    (void)retrace_fs_read(&text, NULL, spool->root,
                          RETRACE_DIR_STATISTICS "/" RETRACE_FILE_ESTIMATES, RETRACE_ESTIMATES_MAX,
                          NULL, scratch);
    return retrace_estimate_wait(retrace_estimate_find(text, has_package ? package.name : NULL,
                                                       has_release ? release.text : NULL),
                                 retrace_estimate_find(text, NULL, NULL),
                                 count_ahead(spool, scratch), config->max_parallel_tasks);
}
