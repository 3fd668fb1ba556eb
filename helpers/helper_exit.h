/* SPDX-License-Identifier: Apache-2.0 */
/* Why the setuid helper refused: one code per reason, each with its line in retrace-helper(8). */
#ifndef RETRACE_HELPER_EXIT_H
#define RETRACE_HELPER_EXIT_H

typedef enum helper_exit_t {
    HELPER_EXIT_OK = 0,
    HELPER_EXIT_USAGE = 100,         /* no such verb, or not its number of arguments */
    HELPER_EXIT_ID = 101,            /* the argument is not a task id */
    HELPER_EXIT_NO_ARGUMENTS = 102,  /* argc is 0: not started by a shell or by httpd */
    HELPER_EXIT_PROCESS = 103,       /* descriptors, signals or limits cannot be reset */
    HELPER_EXIT_ENVIRONMENT = 104,   /* the environment cannot be rebuilt */
    HELPER_EXIT_NO_CALLER = 105,     /* the policy's caller is no user of this system */
    HELPER_EXIT_CALLER = 106,        /* called by somebody else */
    HELPER_EXIT_NO_OWNER = 107,      /* the policy's owner or group is unknown, or is root's */
    HELPER_EXIT_NOT_SETUID = 108,    /* the effective user is not the owner */
    HELPER_EXIT_NO_CAPABILITY = 109, /* cap_setgid is missing: httpd's groups would stay */
    HELPER_EXIT_DROP = 110,          /* dropping privileges failed, or could not be proved */
    HELPER_EXIT_CONFIG_OPEN = 111,   /* the settings file cannot be opened */
    HELPER_EXIT_CONFIG_TYPE = 112,   /* it is not a regular file */
    HELPER_EXIT_CONFIG_OWNER = 113,  /* it belongs neither to root nor to the owner */
    HELPER_EXIT_CONFIG_MODE = 114,   /* group or others may write to it */
    HELPER_EXIT_EXEC = 115,          /* the program of the verb cannot be started */
    HELPER_EXIT_KEY = 116,           /* the second argument of `set` is not one of the keys */
    HELPER_EXIT_PROGRAM = 117        /* the program of the verb is not as safe as the helper */
} helper_exit_t;

#endif
