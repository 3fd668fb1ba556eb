/* SPDX-License-Identifier: Apache-2.0 */
/* Forking, locking down, waiting. */
#include "tests/unit/locked_child.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "worker/ingest/lockdown.h"

#define EXIT_UNLOCKED 99

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* What became of a child that locked itself down and then ran the case. */
static int run_case(bool reader, locked_case_fn fn, void *baton)
{
    pid_t child;
    int status = 0;

    fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (!(reader ? ingest_lockdown_reader(LOCKED_CPU_S, LOCKED_MEMORY_BYTES)
                     : ingest_lockdown_keeper())) {
            _exit(EXIT_UNLOCKED);
        }
        fn(baton);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

void locked_skip_sanitized(void)
{
    if (SANITIZED) {
        print_message("the sanitizer's own system calls do not pass the filter\n");
        skip();
    }
}

void locked_expect_killed(bool reader, locked_case_fn fn)
{
    int status;

    locked_skip_sanitized();
    status = run_case(reader, fn, NULL);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

void locked_expect_done(bool reader, locked_case_fn fn, void *baton)
{
    int status;

    locked_skip_sanitized();
    status = run_case(reader, fn, baton);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}
