/* SPDX-License-Identifier: Apache-2.0 */
/* See rpm_builder.h. */
#include "tests/unit/rpm_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <apr_strings.h>

static const char spec[] = "Name: tiny\n"
                           "Version: 1.0\n"
                           "Release: 1\n"
                           "Epoch: 3\n"
                           "Summary: x\n"
                           "License: x\n"
                           "AutoReqProv: no\n"
                           "%description\nx\n"
                           "%install\n"
                           "mkdir -p %{buildroot}/tiny %{buildroot}/usr/lib/.build-id/ab\n"
                           "seq 40000 | head -c 200000 > %{buildroot}/tiny/big\n"
                           "echo small > %{buildroot}/tiny/first\n"
                           "ln %{buildroot}/tiny/first %{buildroot}/tiny/linked\n"
                           "ln %{buildroot}/tiny/first %{buildroot}/tiny/other\n"
                           "ln -s big %{buildroot}/tiny/symbolic\n"
                           "ln -s ../../../../tiny/big %{buildroot}/usr/lib/.build-id/ab/cdef\n"
                           "%files\n/tiny\n/usr/lib/.build-id\n";

static void require_rpmbuild(void)
{
    if (system("rpmbuild --version >/dev/null 2>&1") != 0) {
        print_message("skipped: rpmbuild is not installed\n");
        skip();
    }
}

void rpm_builder_make(const workspace_t *ws, const char *payload)
{
    require_rpmbuild();
    workspace_write(ws, "tiny.spec", spec);
    workspace_shell(
        ws,
        apr_psprintf(ws->pool,
                     "rpmbuild -bb --quiet --define \"_topdir $PWD/top\" --define '_binary_payload "
                     "%s' --define 'debug_package %%{nil}' --define '_build_id_links none' "
                     "--define '__os_install_post %%{nil}' tiny.spec >log 2>&1 && mv "
                     "top/RPMS/*/tiny-*.rpm tiny.rpm",
                     payload));
}
