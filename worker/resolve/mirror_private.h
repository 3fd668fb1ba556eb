/* SPDX-License-Identifier: Apache-2.0 */
/* What mirror.c and mirror_place.c share. */
#ifndef RETRACE_WORKER_MIRROR_PRIVATE_H
#define RETRACE_WORKER_MIRROR_PRIVATE_H

#include "worker/resolve/mirror.h"

/** Until when to wait for what one package takes. */
int64_t worker_mirror_deadline_ms(const worker_mirror_t *mirror);

const retrace_config_t *worker_mirror_config(const worker_mirror_t *mirror);

/** From one server after the other, until one has the file with this size and checksum.
 * @param fd  open for reading and writing */
apr_status_t worker_mirror_fetch(worker_mirror_t *mirror, int fd,
                                 const worker_candidate_t *candidate, retrace_error_t *err,
                                 apr_pool_t *p);

#endif
