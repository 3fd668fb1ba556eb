/* SPDX-License-Identifier: Apache-2.0 */
/* See workspace.h. Removal is done with nftw, not with the library that is under test. */
#include "tests/unit/workspace.h"

#include <apr_strings.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

int workspace_setup(void **state)
{
    workspace_t *ws = calloc(1, sizeof(*ws));

    if (ws == NULL) {
        return -1;
    }
    snprintf(ws->path, sizeof(ws->path), "/tmp/retrace-test.XXXXXX");
    if (mkdtemp(ws->path) == NULL || apr_pool_create(&ws->pool, NULL) != APR_SUCCESS) {
        return -1;
    }
    ws->dir = open(ws->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = ws;
    return ws->dir < 0 ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *info, int flag, struct FTW *where)
{
    (void)info;
    (void)flag;
    (void)where;
    return remove(path);
}

int workspace_teardown(void **state)
{
    workspace_t *ws = *state;
    int rc;

    (void)close(ws->dir);
    rc = nftw(ws->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    apr_pool_destroy(ws->pool);
    free(ws);
    return rc;
}

const char *workspace_path(const workspace_t *ws, const char *name)
{
    return apr_pstrcat(ws->pool, ws->path, "/", name, NULL);
}

static void make_parents(const workspace_t *ws, const char *name)
{
    char *copy = apr_pstrdup(ws->pool, name);
    char *slash = copy;

    while ((slash = strchr(slash, '/')) != NULL) {
        *slash = '\0';
        (void)mkdirat(ws->dir, copy, 0755);
        *slash++ = '/';
    }
}

void workspace_write(const workspace_t *ws, const char *name, const char *text)
{
    int fd;

    make_parents(ws, name);
    fd = openat(ws->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

void workspace_make_dir(const workspace_t *ws, const char *name)
{
    make_parents(ws, name);
    assert_int_equal(mkdirat(ws->dir, name, 0755), 0);
}

void workspace_link(const workspace_t *ws, const char *content, const char *name)
{
    make_parents(ws, name);
    assert_int_equal(symlinkat(content, ws->dir, name), 0);
}

void workspace_fifo(const workspace_t *ws, const char *name)
{
    make_parents(ws, name);
    assert_int_equal(mkfifoat(ws->dir, name, 0644), 0);
}

const char *workspace_read(const workspace_t *ws, const char *name)
{
    struct stat info;
    char *text;
    int fd = openat(ws->dir, name, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return NULL;
    }
    assert_int_equal(fstat(fd, &info), 0);
    text = apr_pcalloc(ws->pool, (apr_size_t)info.st_size + 1);
    assert_int_equal(read(fd, text, (size_t)info.st_size), info.st_size);
    (void)close(fd);
    return text;
}

bool workspace_exists(const workspace_t *ws, const char *name)
{
    struct stat info;

    return fstatat(ws->dir, name, &info, AT_SYMLINK_NOFOLLOW) == 0;
}

mode_t workspace_mode(const workspace_t *ws, const char *name)
{
    struct stat info;

    assert_int_equal(fstatat(ws->dir, name, &info, AT_SYMLINK_NOFOLLOW), 0);
    return info.st_mode & 07777;
}

static int count_entries(DIR *listing)
{
    struct dirent *entry;
    int count = 0;

    while ((entry = readdir(listing)) != NULL) {
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    (void)closedir(listing);
    return count;
}

int workspace_count(const workspace_t *ws, const char *name)
{
    DIR *listing = opendir(workspace_path(ws, name));

    assert_non_null(listing);
    return count_entries(listing);
}

const retrace_spool_t *workspace_spool(workspace_t *ws)
{
    const retrace_spool_t *spool = NULL;

    workspace_make_dir(ws, "spool/.incoming");
    assert_int_equal(fchmodat(ws->dir, "spool/.incoming", 02710, 0), 0);
    assert_int_equal(retrace_spool_open(&spool, workspace_path(ws, "spool"), &ws->err, ws->pool),
                     APR_SUCCESS);
    return spool;
}

int workspace_task(workspace_t *ws, const char *id)
{
    const char *name = apr_pstrcat(ws->pool, "spool/", id, NULL);
    int fd;

    workspace_make_dir(ws, name);
    fd = openat(ws->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

int workspace_descriptors(void)
{
    DIR *listing = opendir("/proc/self/fd");

    assert_non_null(listing);
    return count_entries(listing);
}

pid_t workspace_start(int (*fn)(void *baton), void *baton)
{
    pid_t child;

    fflush(NULL);
    child = fork();
    if (child == 0) {
        _exit(fn(baton));
    }
    assert_true(child > 0);
    return child;
}

int workspace_wait(pid_t child)
{
    int status = 0;

    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : WORKSPACE_KILLED + WTERMSIG(status);
}

int workspace_child(int (*fn)(void *baton), void *baton)
{
    return workspace_wait(workspace_start(fn, baton));
}

void workspace_shell(const workspace_t *ws, const char *command)
{
    const char *line = apr_psprintf(ws->pool, "cd %s && { %s; } >log.txt 2>&1", ws->path, command);

    if (system(line) != 0) {
        print_message("%s\n%s", command, workspace_read(ws, "log.txt"));
        fail();
    }
}

void workspace_build_samples(const workspace_t *ws)
{
    workspace_write(ws, "built/lib.c",
                    "#include <signal.h>\n#include <stdio.h>\n#include <sys/stat.h>\n"
                    "struct stat status; siginfo_t info; FILE *file;\n"
                    "int NAME(void) { return (int)status.st_size + info.si_signo; }\n");
    workspace_shell(ws,
                    "cd built && build='cc -g -shared -fPIC lib.c'"
                    " && $build -DNAME=sample -Wl,--build-id=0x" SAMPLE_ID " -o full.so"
                    " && $build -DNAME=other -Wl,--build-id=0x" OTHER_ID " -o other.so"
                    " && objcopy --only-keep-debug full.so lib.debug"
                    " && objcopy --only-keep-debug other.so other.debug"
                    " && objcopy --strip-debug --add-gnu-debuglink=lib.debug full.so lib.so");
}
