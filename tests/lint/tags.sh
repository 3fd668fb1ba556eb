#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prevents a log tag that stands in two places: tests and admins search the log by it, and would take
# one message for another. A gap means that a tag was dropped, and might be given again.
cd "$(dirname "$0")/../.." || exit 1
failed=0

tags=$(find lib mod_retrace helpers worker -name '*.[ch]' -exec \
    grep -ho 'RETRACE_LOGNO([^)]*)' {} + | sed 's/.*(\(.*\))/\1/' | grep -v '^number$' | sort)
if [ -z "$tags" ]; then
    echo "tags: no RETRACE_LOGNO found"
    exit 1
fi

expected=1
for tag in $(echo "$tags" | uniq); do
    wanted=$(printf '%04d' "$expected")
    if [ "$tag" != "$wanted" ]; then
        echo "tags: expected $wanted, found $tag"
        exit 1
    fi
    expected=$((expected + 1))
done
for tag in $(echo "$tags" | uniq -d); do
    echo "tags: $tag is used more than once"
    failed=1
done

# What is worth an admin's attention is worth a tag.
untagged=$(awk '
    /ap_log_r?error\(/ { statement = ""; start = FILENAME ":" FNR; inside = 1 }
    inside { statement = statement $0 }
    inside && /;/ {
        if (statement ~ /APLOG_(EMERG|ALERT|CRIT|ERR|WARNING|NOTICE|INFO)/ &&
            statement !~ /RETRACE_LOGNO/) {
            print start
        }
        inside = 0
    }' mod_retrace/*.c)
if [ -n "$untagged" ]; then
    echo "tags: messages without a tag:"
    echo "$untagged"
    failed=1
fi
exit $failed
