/* SPDX-License-Identifier: Apache-2.0 */
/* gdb in the chroot: the core goes in, a shell lays out the sysroot and starts gdb with its limits,
 * and two files come out. */
#include <apr_strings.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/fs.h"
#include "lib/id.h"
#include "worker/environment/mock_private.h"
#include "worker/path.h"

#define HOME      "/builddir" /* in the chroot: what is copied there belongs to mock's user */
#define SYSROOT   HOME WORKER_SYSROOT
#define AT_CORE   HOME "/core"
#define AT_GDB    "/usr/bin/gdb"
#define BACKTRACE "backtrace"
#define MESSAGES  "messages"
#define END       "." /* of the links; no path is one */
#define BLOCK     512 /* bytes, of `ulimit -f` in a POSIX shell */
#define MARGIN_S  60  /* for mock itself */
#define KILLED    137 /* as a shell tells SIGKILL */

/* Arguments: seconds, blocks, kilobytes, then "what where stem" for each link, END, and gdb's command
 * line. gdb sees, at the paths that the core names, only files of the very builds that it names;
 * other files of the chroot may be of other builds. Links beside a library, which the process knew
 * it by, begin with the stem. The first time that gdb does not end, nobody can be asked to kill it
 * but root, who is not here: timeout can. The chroot has su and the like, of a release whose holes are
 * known: without setpriv gdb could become root by them, which a container does not contain. */
static const char script[] =
    "umask 022\n"
    "cd " HOME " || exit 1\n"
    "seconds=$1; blocks=$2; kilobytes=$3; shift 3\n"
    "while [ \"$1\" != " END " ]; do\n"
    "  mkdir -p -- \"${2%/*}\"\n"
    "  ln -sfn -- \"$1\" \"$2\"\n"
    "  if [ -n \"$3\" ]; then for file in \"${1%/*}/$3\"*; do\n"
    "    if [ \"$file\" -ef \"$1\" ]; then ln -sfn -- \"$1\" \"${2%/*}/${file##*/}\"; fi\n"
    "  done; fi\n"
    "  shift 3\n"
    "done 2>/dev/null\n"
    "shift\n"
    "umask 077\n"
    "ulimit -c 0; ulimit -f \"$blocks\"; ulimit -v \"$kilobytes\"\n"
    "exec timeout -s KILL \"$seconds\" setpriv --no-new-privs \"$@\" >" BACKTRACE " 2>" MESSAGES
    " </dev/null\n";

/* --- Words ------------------------------------------------------------------------------------- */

static void push(apr_array_header_t *list, const char *word)
{
    APR_ARRAY_PUSH(list, const char *) = word;
}

static void push_link(apr_array_header_t *list, const char *content, const char *path,
                      const char *stem)
{
    push(list, content);
    push(list, path);
    push(list, stem);
}

/* libc of libc.so.6, ld of ld-2.33.so: other names of the same file begin with it. */
static const char *stem_of(const char *path, apr_pool_t *p)
{
    const char *name = worker_path_name(path);

    return strstr(name, ".so") != NULL ? apr_pstrmemdup(p, name, strcspn(name, ".-")) : "";
}

static const char *in_chroot(const char *path, apr_pool_t *p)
{
    return strncmp(path, WORKER_SYSROOT "/", strlen(WORKER_SYSROOT "/")) == 0
        ? apr_pstrcat(p, HOME, path, NULL)
        : path;
}

/* gdb finds debug information by its build-id, where it is installed. */
static bool is_debug_file(const worker_bind_t *bind)
{
    return worker_path_is_below(bind->target, WORKER_SYSROOT "/usr/lib/debug");
}

static void push_links(apr_array_header_t *list, const worker_environment_t *environment,
                       apr_pool_t *p)
{
    int i;

    for (i = 0; i < environment->binds->nelts; i++) {
        const worker_bind_t *bind = &APR_ARRAY_IDX(environment->binds, i, worker_bind_t);

        if (!is_debug_file(bind)) {
            push_link(list, bind->source, in_chroot(bind->target, p), stem_of(bind->source, p));
        }
    }
    for (i = 0; i < environment->links->nelts; i++) {
        const worker_link_t *link = &APR_ARRAY_IDX(environment->links, i, worker_link_t);

        push_link(list, in_chroot(link->content, p), in_chroot(link->path, p), "");
    }
}

const char *const *worker_mock_words(const worker_environment_t *environment,
                                     const worker_sandbox_limits_t *limits, unsigned int seconds,
                                     const char *const *argv, apr_pool_t *p)
{
    apr_array_header_t *list = apr_array_make(p, 256, sizeof(const char *));

    push(list, "/bin/sh");
    push(list, "-c");
    push(list, script);
    push(list, "sh");
    push(list, apr_psprintf(p, "%u", seconds));
    push(list, apr_psprintf(p, "%" APR_INT64_T_FMT, (apr_int64_t)limits->output_bytes / BLOCK));
    push(list, apr_psprintf(p, "%" APR_INT64_T_FMT, (apr_int64_t)limits->memory_bytes / 1024));
    push_links(list, environment, p);
    push(list, END);
    while (*argv != NULL) {
        push(list, *argv++);
    }
    push(list, NULL);
    return (const char *const *)list->elts;
}

/* --- What comes out ---------------------------------------------------------------------------- */

/* The chroot may have put anything in its place: a link to a file of ours, a device, a terabyte. */
static apr_status_t read_results(worker_sandbox_result_t *result, int out,
                                 const worker_sandbox_limits_t *limits, retrace_error_t *err,
                                 apr_pool_t *p)
{
    apr_status_t rv = retrace_fs_read(&result->output, &result->output_length, out, BACKTRACE,
                                      (apr_size_t)limits->output_bytes, err, p);

    if (rv == APR_SUCCESS) {
        rv = retrace_fs_read(&result->messages, &result->messages_length, out, MESSAGES,
                             (apr_size_t)limits->output_bytes, err, p);
    }
    if (rv == APR_SUCCESS && result->messages_length > (apr_size_t)limits->message_bytes) {
        result->messages_length = (apr_size_t)limits->message_bytes;
        result->messages = apr_pstrmemdup(p, result->messages, result->messages_length);
    }
    return rv;
}

static apr_status_t open_out(int *pfd, const worker_chroot_t *chroot, retrace_error_t *err)
{
    int dir = -1;
    apr_status_t rv = retrace_fs_open_dir(&dir, chroot->task, WORKER_MOCK_DIR, err);

    if (rv == APR_SUCCESS) {
        rv = retrace_fs_open_dir(pfd, dir, WORKER_MOCK_OUT, err);
        (void)close(dir);
    }
    return rv;
}

static apr_status_t fetch_results(worker_sandbox_result_t *result, const worker_chroot_t *chroot,
                                  const worker_sandbox_limits_t *limits, retrace_error_t *err,
                                  apr_pool_t *p)
{
    static const char *const verb[] = { "--copyout", NULL };
    const char *const words[] = { HOME "/" BACKTRACE, HOME "/" MESSAGES,
                                  apr_psprintf(p, "%s/%s/" WORKER_MOCK_DIR "/" WORKER_MOCK_OUT,
                                               chroot->config->save_dir,
                                               retrace_id_format(chroot->id).text),
                                  NULL };
    retrace_error_t why;
    int out = -1;
    apr_status_t rv = open_out(&out, chroot, err);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    (void)retrace_fs_remove(out, BACKTRACE, NULL);
    (void)retrace_fs_remove(out, MESSAGES, NULL);
    rv = worker_chroot_must(chroot, verb, words, err, p);
    if (rv == APR_SUCCESS && read_results(result, out, limits, &why, p) != APR_SUCCESS) {
        rv = retrace_fail(err, APR_EINVAL, "what came out of the chroot is not used: %s", why.text);
    }
    (void)close(out);
    return rv;
}

/* --- The run ----------------------------------------------------------------------------------- */

typedef struct run_t {
    const worker_chroot_t *chroot;
    const worker_environment_t *environment;
    const worker_sandbox_limits_t *limits;
    unsigned int limit_s; /* of the last run of gdb */
} run_t;

static apr_status_t run_in_chroot(worker_sandbox_result_t **presult, void *baton,
                                  const char *const *argv, retrace_error_t *err, apr_pool_t *p)
{
    static const char *const verb[] = { "--unpriv", "--cwd=/", "--chroot", NULL };
    run_t *run = baton;
    unsigned int limit_s = worker_chroot_left_s(run->chroot);
    worker_sandbox_result_t *result = apr_pcalloc(p, sizeof(*result));
    worker_mock_end_t end = { 0 };
    int64_t begun = retrace_clock_ms();
    unsigned int took_s;
    apr_status_t rv = worker_chroot_call(
        &end, run->chroot, verb, worker_mock_words(run->environment, run->limits, limit_s, argv, p),
        limit_s + MARGIN_S, err, p);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    took_s = (unsigned int)((retrace_clock_ms() - begun) / 1000);
    rv = fetch_results(result, run->chroot, run->limits, err, p);
    if (rv != APR_SUCCESS) {
        worker_chroot_tell(run->chroot, end.messages, p);
        return end.code != 0
            ? retrace_fail(err, rv, "gdb gave no result in the chroot (code %d)", end.code)
            : rv;
    }
    worker_mock_judge(result, end.is_late ? KILLED : end.code, took_s, limit_s,
                      result->output_length >= (apr_size_t)run->limits->output_bytes);
    if (result->end == WORKER_SANDBOX_SIGNALLED && result->signal == SIGKILL
        && run->chroot->mock.cgroup != NULL && worker_cgroup_was_oom(run->chroot->mock.cgroup)) {
        result->end = WORKER_SANDBOX_MEMORY;
    }
    run->limit_s = limit_s;
    *presult = result;
    return APR_SUCCESS;
}

/* The limits of the plan do not have this one: it is what is left of the task's time. */
static apr_status_t judge_time(const worker_gdb_output_t *output, const run_t *run,
                               retrace_error_t *err)
{
    if (output->run->end != WORKER_SANDBOX_TIME || output->is_complete) {
        return APR_SUCCESS;
    }
    return retrace_fail(err, APR_TIMEUP, "gdb was killed in the chroot after %u s", run->limit_s);
}

apr_status_t worker_mock_gdb(worker_gdb_output_t **poutput, const worker_environment_t *environment,
                             const worker_gdb_plan_t *plan, retrace_error_t *err, apr_pool_t *p)
{
    static const char *const copy_in[] = { "--copyin", NULL };
    static const char *const start[] = { AT_GDB, NULL };
    static const worker_gdb_place_t place = { start, SYSROOT, "/usr/lib/debug", AT_CORE };
    const char *const words[] = { plan->core, AT_CORE, NULL };
    worker_chroot_t chroot = *environment->chroot;
    run_t run = { &chroot, environment, &plan->limits, 0 };
    worker_gdb_output_t *output = NULL;
    apr_status_t rv;

    chroot.mock.cgroup = plan->cgroup;
    rv = worker_chroot_must(&chroot, copy_in, words, err, p);
    if (rv == APR_SUCCESS) {
        rv = worker_gdb_run_at(&output, &place, environment->program, run_in_chroot, &run, err, p);
    }
    if (rv == APR_SUCCESS) {
        rv = judge_time(output, &run, err);
    }
    if (rv == APR_SUCCESS) {
        *poutput = output;
    }
    return rv;
}
