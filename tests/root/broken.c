/* SPDX-License-Identifier: Apache-2.0 */
/* The helper's own code with steps that fail, for refusals that no caller can bring about on a
 * present kernel. Its first argument chooses the step. */
#include <stdlib.h>
#include <string.h>

#include "lib/privileges.h"

static const char *failing = "";

#define main helper_main
#include "helpers/retrace-helper.c"
#undef main

bool retrace_privileges_reset_process(void)
{
    return true;
}

bool retrace_privileges_reset_environment(void)
{
    return strcmp(failing, "environment") != 0;
}

bool retrace_privileges_drop(uid_t uid, gid_t gid)
{
    (void)uid;
    (void)gid;
    return strcmp(failing, "drop") != 0;
}

int main(int argc, char *argv[])
{
    failing = argc > 1 ? argv[1] : "";
    return helper_main(strcmp(failing, "arguments") == 0 ? 0 : argc - 1, argv + 1);
}
