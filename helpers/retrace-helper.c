/* SPDX-License-Identifier: Apache-2.0 */
/* The setuid helper: checks its caller, becomes the spool's owner for good, and starts the program
 * of one verb. It parses nothing but its arguments, links nothing but libc, takes no path, name or
 * environment from its caller, and never becomes root. Exit codes: helper_exit.h. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <unistd.h>

#include "helpers/helper_exit.h"
#include "helpers/helper_policy.h"
#include "helpers/task_key.h"
#include "lib/id.h"
#include "lib/privileges.h"

#define PROGRAM_PATH_MAX 4096
#define ARGUMENTS_MAX    6 /* program, settings, action, id, key, NULL */

typedef struct identity_t {
    uid_t caller;
    uid_t owner;
    gid_t group;
} identity_t;

typedef struct verb_t {
    const char *name;
    int arguments;       /* 1: an id, 2: an id and a key */
    const char *program; /* below policy.programs; NULL: the helper itself */
    const char *action;  /* first argument of the program after the settings file; NULL: none */
} verb_t;

static const verb_t verbs[] = {
    { "receive", 0, "retrace-ingest", NULL },       { "start", 1, "retrace-dispatch", "start" },
    { "sweep", 0, "retrace-dispatch", "sweep" },    { "cancel", 1, "retrace-task-edit", "cancel" },
    { "delete", 1, "retrace-task-edit", "delete" }, { "set", 2, "retrace-task-edit", "set" },
    { "count", 0, "retrace-task-edit", "count" },   { "check", 0, NULL, NULL },
};

/* The one place where a refusal becomes known: syslog for the admin, the code for httpd. */
static void refuse(helper_exit_t code, const char *reason)
{
    openlog("retrace-helper", LOG_PID, LOG_DAEMON);
    syslog(LOG_ERR, "refused with exit code %d: %s", (int)code, reason);
    closelog();
    exit(code);
}

static const verb_t *find_verb(int argc, char *argv[])
{
    size_t i;

    for (i = 0; argc >= 2 && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (strcmp(verbs[i].name, argv[1]) == 0 && argc == 2 + verbs[i].arguments) {
            return &verbs[i];
        }
    }
    return NULL;
}

/* argc 0 would make argv[1] the first variable of the environment. */
static void reset_process(int argc)
{
    if (argc < 1) {
        _exit(HELPER_EXIT_NO_ARGUMENTS);
    }
    if (!retrace_privileges_reset_process()) {
        _exit(HELPER_EXIT_PROCESS);
    }
    if (!retrace_privileges_reset_environment()) {
        _exit(HELPER_EXIT_ENVIRONMENT);
    }
}

static void find_identities(identity_t *who)
{
    const struct passwd *user = getpwnam(helper_policy.caller);
    const struct group *group;

    if (user == NULL) {
        refuse(HELPER_EXIT_NO_CALLER, "there is no user of the caller's name");
        return;
    }
    who->caller = user->pw_uid;
    user = getpwnam(helper_policy.owner);
    group = getgrnam(helper_policy.group);
    if (user == NULL || group == NULL || user->pw_uid == 0 || group->gr_gid == 0) {
        refuse(HELPER_EXIT_NO_OWNER, "the owner must be an existing user and group, and not root");
        return;
    }
    who->owner = user->pw_uid;
    who->group = group->gr_gid;
}

static void require_caller(const identity_t *who)
{
    if (getuid() != who->caller) {
        refuse(HELPER_EXIT_CALLER, "only httpd may call");
    }
    if (geteuid() != who->owner) {
        refuse(HELPER_EXIT_NOT_SETUID, "it is not setuid, or httpd runs with NoNewPrivileges");
    }
}

static bool has_setgid_capability(void)
{
    struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
    struct __user_cap_data_struct data[2];

    return syscall(SYS_capget, &header, data) == 0 && (data[0].effective & (1U << CAP_SETGID)) != 0;
}

/* A build whose caller and owner are one ordinary user (make serve) has nothing to drop: no group
 * of another user could leak through it. */
static bool has_nothing_to_drop(const identity_t *who)
{
    return who->caller == who->owner && getuid() == who->owner && getgid() == who->group;
}

static void drop_privileges(const identity_t *who)
{
    if (has_nothing_to_drop(who)) {
        return;
    }
    if (!has_setgid_capability()) {
        refuse(HELPER_EXIT_NO_CAPABILITY, "the file capability cap_setgid=ep is missing");
    }
    if (!retrace_privileges_drop(who->owner, who->group)) {
        refuse(HELPER_EXIT_DROP, "privileges could not be dropped");
    }
    /* Nobody may read what we learn, nor attach: we still hold httpd's request. */
    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* The programs read the file by its path, and check the same again (lib/config.h). */
static struct stat check_config(const identity_t *who)
{
    struct stat info;
    int fd = open(helper_policy.config, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    memset(&info, 0, sizeof(info));
    if (fd < 0 || fstat(fd, &info) != 0) {
        refuse(HELPER_EXIT_CONFIG_OPEN, "the settings file cannot be opened");
    }
    if (!S_ISREG(info.st_mode)) {
        refuse(HELPER_EXIT_CONFIG_TYPE, "the settings file is not a regular file");
    }
    if (info.st_uid != 0 && info.st_uid != who->owner) {
        refuse(HELPER_EXIT_CONFIG_OWNER, "the settings file belongs to somebody else");
    }
    if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        refuse(HELPER_EXIT_CONFIG_MODE, "the settings file can be written by others");
    }
    (void)close(fd);
    return info;
}

static int show_config(const struct stat *info)
{
    return printf("%s %ju %ju\n", helper_policy.config, (uintmax_t)info->st_dev,
                  (uintmax_t)info->st_ino)
                > 0
            && fflush(stdout) == 0
        ? HELPER_EXIT_OK
        : HELPER_EXIT_EXEC;
}

/* Who may write to the program decides what we do. Started by its descriptor, so that what was checked
 * is what runs. */
static int open_program(const identity_t *who, const char *path)
{
    struct stat info;
    int fd = open(path, O_PATH | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &info) != 0) {
        refuse(HELPER_EXIT_EXEC, "the program of the verb cannot be opened");
    }
    if (!S_ISREG(info.st_mode) || (info.st_uid != 0 && info.st_uid != who->owner)
        || (info.st_mode & (S_IWGRP | S_IWOTH | S_ISUID | S_ISGID)) != 0) {
        refuse(HELPER_EXIT_PROGRAM, "the program of the verb could be somebody else's");
    }
    return fd;
}

static int run_program(const identity_t *who, const verb_t *verb, const char *id, const char *key)
{
    char path[PROGRAM_PATH_MAX];
    const char *argv[ARGUMENTS_MAX];
    int argc = 0;

    if (snprintf(path, sizeof(path), "%s/%s", helper_policy.programs, verb->program)
        >= (int)sizeof(path)) {
        return HELPER_EXIT_EXEC;
    }
    argv[argc++] = path;
    argv[argc++] = helper_policy.config;
    if (verb->action != NULL) {
        argv[argc++] = verb->action;
    }
    if (id != NULL) {
        argv[argc++] = id;
    }
    if (key != NULL) {
        argv[argc++] = key;
    }
    argv[argc] = NULL;
    (void)syscall(SYS_execveat, open_program(who, path), "", argv, environ, AT_EMPTY_PATH);
    refuse(HELPER_EXIT_EXEC, "the program of the verb cannot be started");
    return HELPER_EXIT_EXEC;
}

int main(int argc, char *argv[])
{
    identity_t who;
    const verb_t *verb;
    retrace_id_text_t id;
    uint32_t number = 0;
    const char *key = NULL;
    struct stat config;

    reset_process(argc);
    verb = find_verb(argc, argv);
    find_identities(&who);
    require_caller(&who);
    drop_privileges(&who);
    if (verb == NULL) {
        return HELPER_EXIT_USAGE;
    }
    if (verb->arguments > 0 && !retrace_id_parse(argv[2], &number)) {
        return HELPER_EXIT_ID;
    }
    if (verb->arguments > 1 && (key = task_key_find(argv[3])) == NULL) {
        return HELPER_EXIT_KEY;
    }
    id = retrace_id_format(verb->arguments > 0 ? number : RETRACE_ID_MIN);
    config = check_config(&who);
    if (verb->program == NULL) {
        return show_config(&config);
    }
    return run_program(&who, verb, verb->arguments > 0 ? id.text : NULL, key);
}
