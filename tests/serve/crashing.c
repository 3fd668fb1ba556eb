/* SPDX-License-Identifier: Apache-2.0 */
/* A program that crashes for real: three threads count words, and the one that is given a text
 * without a list of words to skip walks through a null pointer. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct list_t {
    const char *word;
    struct list_t *next;
} list_t;

typedef struct job_t {
    int number;
    const char *text;
    list_t *skip;
} job_t;

static int is_skipped(const list_t *skip, const char *word)
{
    return strcmp(skip->word, word) == 0 || (skip->next != NULL && is_skipped(skip->next, word));
}

static int count_words(const job_t *job, int depth)
{
    char copy[64];
    char *rest = NULL;
    char *word;
    int count = 0;

    if (depth > 0) {
        return count_words(job, depth - 1);
    }
    snprintf(copy, sizeof(copy), "%s", job->text);
    for (word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        count += !is_skipped(job->skip, word);
    }
    return count;
}

static void *work(void *data)
{
    job_t *job = data;

    if (job->skip == NULL) {
        usleep(200000); /* the others are asleep by then */
    }
    printf("job %d: %d words\n", job->number, count_words(job, 3));
    sleep(60);
    return NULL;
}

int main(void)
{
    list_t the = { "the", NULL };
    job_t jobs[] = { { 1, "the quick brown fox", &the },
                     { 2, "jumps over the lazy dog", &the },
                     { 3, "and nobody gave it a list", NULL } };
    pthread_t threads[3];
    int i;

    for (i = 0; i < 3; i++) {
        pthread_create(&threads[i], NULL, work, &jobs[i]);
    }
    for (i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    return 0;
}
