/* SPDX-License-Identifier: Apache-2.0 */
/* See answer.h. */
#include "worker/ingest/answer.h"

#include <stdio.h>
#include <syslog.h>

#include "lib/fs.h"
#include "worker/ingest/refusal.h"

void ingest_say(int out, const char *line)
{
    char text[INGEST_LINE_MAX];
    int length = snprintf(text, sizeof(text), "%.*s\n", INGEST_LINE_MAX - 2, line);

    (void)retrace_fs_write_all(out, text, (apr_size_t)length);
}

void ingest_say_refusal(int out, int status, const char *sentence)
{
    char line[INGEST_LINE_MAX];

    snprintf(line, sizeof(line), "%d %s", status, sentence);
    ingest_say(out, line);
}

void ingest_say_reason(int out, int status, const char *reason)
{
    char sentence[INGEST_SENTENCE_MAX + 32];

    snprintf(sentence, sizeof(sentence), "%s%s", reason,
             reason[0] != '\0' ? "." : "The upload was refused.");
    if (sentence[0] >= 'a' && sentence[0] <= 'z') {
        sentence[0] = (char)(sentence[0] - 'a' + 'A');
    }
    ingest_say_refusal(out, status, sentence);
}

void ingest_say_failure(int out, const retrace_error_t *err)
{
    syslog(LOG_ERR, "upload refused with 500: %s", err->text);
    ingest_say_refusal(out, 500, "The server could not store the upload.");
}
