#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prevents the giant: a file that nobody reads to its end, a function that does not fit a screen, a
# main that is more than a table of contents. Exceptions are in size.allow, a list that may only
# shrink: one that is not needed any more, or allows more than it must, is an error too.
cd "$(dirname "$0")/../.." || exit 1
allow=tests/lint/size.allow
[ -r "$allow" ] || {
    echo "sizes: $allow is missing"
    exit 1
}
if ! ctags --version 2>/dev/null | grep -q 'Universal Ctags'; then
    echo "sizes: universal-ctags is not installed"
    exit 1
fi

files=$(find lib mod_retrace helpers worker tests/unit tests/fuzz tests/data tests/e2e tests/bench \
    tests/serve cleanup -name '*.[ch]' 2>/dev/null)
[ -n "$files" ] || {
    echo "sizes: no C sources found"
    exit 1
}

# Lines of "what size limit": a file, or file:function.
measure() {
    for file in $files; do
        case $file in
        *.h) limit=160 ;;
        *) limit=500 ;;
        esac
        echo "$file $(wc -l <"$file") $limit"
    done
    ctags -x --_xformat='%F %N %n %e' --kinds-C=f --language-force=C $files |
        awk '{ print $1 ":" $2, $4 - $3 + 1, ($2 == "main" ? 60 : 80) }'
}

measured=$(measure)
echo "$measured" | grep -q ':main ' || {
    echo "sizes: ctags found no function main"
    exit 1
}

# size.allow: "what limit reason"
echo "$measured" | awk -v allow="$allow" '
    BEGIN {
        while ((getline line < allow) > 0) {
            if (line ~ /^#/ || line ~ /^[ \t]*$/) {
                continue
            }
            count = split(line, part, " ")
            if (count < 3 || part[2] !~ /^[0-9]+$/) {
                print "sizes: " allow ": not \"what limit reason\": " line
                failed = 1
            }
            else {
                allowed[part[1]] = part[2]
            }
        }
    }
    {
        seen[$1] = $2
        if ($2 <= $3) {
            if ($1 in allowed) {
                print "sizes: " $1 " has " $2 " lines and needs no exception: take it off " allow
                failed = 1
            }
        }
        else if (!($1 in allowed)) {
            print "sizes: " $1 " has " $2 " lines, at most " $3 " are allowed"
            failed = 1
        }
        else if ($2 != allowed[$1]) {
            print "sizes: " $1 " has " $2 " lines, its exception is " allowed[$1] \
                ($2 < allowed[$1] ? ": lower it" : "")
            failed = 1
        }
    }
    END {
        for (what in allowed) {
            if (!(what in seen)) {
                print "sizes: there is no " what ": take it off " allow
                failed = 1
            }
        }
        exit failed
    }'
