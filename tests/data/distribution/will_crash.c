/* SPDX-License-Identifier: Apache-2.0 */
/* A program with threads and a plugin. */
#include "work.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define THREADS 3
#define PLUGIN  "/usr/lib64/will-crash/plugin-boom.so"

typedef int (*boom_fn)(const struct job *job, int depth);

struct idler {
    int number;
    pthread_barrier_t *all;
};

static void *idle(void *data)
{
    struct idler *self = data;
    int hundreds = self->number * 100;

    pthread_barrier_wait(self->all);
    for (;;) {
        pause();
    }
    return &hundreds;
}

static int load_and_run(const char *path, const struct job *job)
{
    void *plugin = dlopen(path, RTLD_NOW);
    boom_fn boom = plugin != NULL ? (boom_fn)dlsym(plugin, "boom") : NULL;
    int depth = 3 + MINOR;

    return boom != NULL ? boom(job, depth) : 1;
}

int main(void)
{
    struct job job = { 40 + MINOR, "the job" };
    struct idler idlers[THREADS];
    pthread_t threads[THREADS];
    pthread_barrier_t all;
    int i;

    pthread_barrier_init(&all, NULL, THREADS + 1);
    for (i = 0; i < THREADS; i++) {
        idlers[i] = (struct idler){ i + 1, &all };
        pthread_create(&threads[i], NULL, idle, &idlers[i]);
    }
    pthread_barrier_wait(&all);
    return load_and_run(PLUGIN, &job) + arrange(NULL, 0, NULL);
}
