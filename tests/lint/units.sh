#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prevents units that systemd refuses: nothing here starts them, so that a wrong directive would first be
# seen by an admin.
set -eu

if ! command -v systemd-analyze >/dev/null; then
    echo "units: skipped: there is no systemd-analyze" >&2
    exit 0
fi
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
for unit in retrace-dispatch.service retrace-dispatch.path retrace-dispatch.timer \
    retrace-server-reposync.service retrace-server-reposync.timer; do
    sed -e 's|@OWNER@|root|' -e "s|@LIBEXECDIR@|$PWD/$B|" -e 's|@CONFIG@|/etc/hosts|' \
        -e 's|@SPOOLDIR@|/var/spool|' "rpm/$unit.in" >"$place/$unit"
done
# A unit of this machine is none of our business: only lines that name ours count.
if systemd-analyze verify --man=no "$place/retrace-dispatch.service" "$place/retrace-dispatch.path" \
    "$place/retrace-dispatch.timer" "$place/retrace-server-reposync.service" \
    "$place/retrace-server-reposync.timer" 2>&1 |
    grep -e retrace-dispatch -e retrace-server-reposync; then
    exit 1
fi
