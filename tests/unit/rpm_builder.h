/* SPDX-License-Identifier: Apache-2.0 */
/* A small RPM package for tests, made by rpmbuild. */
#ifndef RETRACE_TESTS_RPM_BUILDER_H
#define RETRACE_TESTS_RPM_BUILDER_H

#include "tests/unit/workspace.h"

#define RPM_BUILDER_BIG 200000 /* bytes of /tiny/big: the numbers from 1, a line each */

/**
 * Make `tiny.rpm`, tiny-3:1.0-1: /tiny/big with a link of build-id abcdef, and /tiny/first with the
 * hard links linked and other, "small" in it. The test is skipped where rpmbuild is not installed.
 * @param payload  rpmbuild's name of a compression, as w3.zstdio
 */
void rpm_builder_make(const workspace_t *ws, const char *payload);

#endif
