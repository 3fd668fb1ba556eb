/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands of retrace-server-task do. */
#ifndef RETRACE_TASK_COMMANDS_H
#define RETRACE_TASK_COMMANDS_H

#include "helpers/task/options.h"

/**
 * Do what the options ask for. Results go to standard output or to a file.
 * @param err  empty when the status alone says it all
 * @return a status of exit.h
 */
apr_status_t task_command_run(const task_options_t *options, retrace_error_t *err, apr_pool_t *p);

#endif
