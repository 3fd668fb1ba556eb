/* SPDX-License-Identifier: Apache-2.0 */
/* What test_sandbox runs in the sandbox: one hostile act by its name, told on standard output.
 * It is compiled by the test, plainly, and needs libc alone. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int tell(const char *what, long result)
{
    printf("%s: %s\n", what, result < 0 ? strerrorname_np(errno) : "done");
    return 0;
}

static int act_exit(const char *argument)
{
    return atoi(argument);
}

static int act_read(const char *path)
{
    char byte;
    int fd = open(path, O_RDONLY);

    return tell("read", fd < 0 ? fd : read(fd, &byte, 1));
}

static int act_write(const char *path)
{
    return tell("write", open(path, O_WRONLY | O_CREAT, 0600));
}

static int act_list(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;

    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        printf("%s ", entry->d_name);
    }
    return 0;
}

static int act_environment(const char *unused)
{
    char **variable;

    (void)unused;
    for (variable = environ; *variable != NULL; variable++) {
        printf("%s ", *variable);
    }
    return 0;
}

static int act_descriptors(const char *unused)
{
    int fd;

    (void)unused;
    for (fd = 0; fd < 4096; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) {
            printf("%d ", fd);
        }
    }
    return 0;
}

static int act_socket(const char *unused)
{
    (void)unused;
    return tell("socket", socket(AF_INET, SOCK_STREAM, 0));
}

static int act_unshare(const char *unused)
{
    (void)unused;
    return tell("unshare", unshare(CLONE_NEWUSER));
}

static int act_ptrace(const char *unused)
{
    (void)unused;
    return tell("ptrace", ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int act_mount(const char *unused)
{
    (void)unused;
    return tell("mount", mount("none", "/tmp", "tmpfs", 0, NULL));
}

/* Processes that stay until they are killed. */
static int act_forks(const char *unused)
{
    int count = 0;

    (void)unused;
    while (count < 2000) {
        pid_t pid = fork();

        if (pid == 0) {
            pause();
            _exit(0);
        }
        if (pid < 0) {
            break;
        }
        count++;
    }
    printf("%d\n", count);
    return 0;
}

/* A process of its own session that outlives us, without our output. */
static int act_orphan(const char *unused)
{
    (void)unused;
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            close(0);
            close(1);
            close(2);
            pause();
        }
        _exit(0);
    }
    wait(NULL);
    printf("left\n");
    return 0;
}

static int act_flood(const char *unused)
{
    static char noise[65536];

    (void)unused;
    memset(noise, 'x', sizeof(noise));
    while (write(1, noise, sizeof(noise)) > 0) {
    }
    return 0;
}

static int act_mutter(const char *unused)
{
    int i;

    (void)unused;
    for (i = 0; i < 100000; i++) {
        fprintf(stderr, "complaint %d\n", i);
    }
    printf("done\n");
    return 0;
}

/* Deaf and mute. */
static int act_stubborn(const char *unused)
{
    int i;

    (void)unused;
    printf("partial\n");
    fflush(stdout);
    for (i = 1; i < NSIG; i++) {
        signal(i, SIG_IGN);
    }
    close(1);
    close(2);
    for (;;) {
        pause();
    }
}

static int act_spin(const char *unused)
{
    volatile unsigned long turns = 0;

    (void)unused;
    for (;;) {
        turns++;
    }
}

static int act_eat(const char *bytes)
{
    size_t size = strtoul(bytes, NULL, 10);
    char *food = malloc(size);

    if (food == NULL) {
        return tell("eat", -1);
    }
    memset(food, 1, size);
    return tell("eat", food[size / 2]);
}

static int act_grow(const char *bytes)
{
    static char piece[65536];
    size_t left = strtoul(bytes, NULL, 10);
    int fd = open("/tmp/file", O_WRONLY | O_CREAT, 0600);

    signal(SIGXFSZ, SIG_IGN);
    while (left > 0) {
        ssize_t put = write(fd, piece, sizeof(piece) < left ? sizeof(piece) : left);

        if (put <= 0) {
            return tell("grow", -1);
        }
        left -= (size_t)put;
    }
    return tell("grow", 0);
}

static int act_crash(const char *unused)
{
    (void)unused;
    abort();
}

static const struct {
    const char *name;
    int (*act)(const char *argument);
} acts[] = {
    { "exit", act_exit },     { "read", act_read },       { "write", act_write },
    { "list", act_list },     { "env", act_environment }, { "descriptors", act_descriptors },
    { "socket", act_socket }, { "unshare", act_unshare }, { "ptrace", act_ptrace },
    { "mount", act_mount },   { "forks", act_forks },     { "orphan", act_orphan },
    { "flood", act_flood },   { "mutter", act_mutter },   { "stubborn", act_stubborn },
    { "spin", act_spin },     { "eat", act_eat },         { "grow", act_grow },
    { "crash", act_crash },
};

/* TAG ACT [ARGUMENT]: the tag becomes the name of this process and of its children. */
int main(int argc, char **argv)
{
    size_t i;

    prctl(PR_SET_NAME, argv[1]);
    for (i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
        if (strcmp(acts[i].name, argv[2]) == 0) {
            return acts[i].act(argc > 3 ? argv[3] : "");
        }
    }
    return 100;
}
