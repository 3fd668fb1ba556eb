#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prevents an include against the arrows: the library that learns of httpd, the worker that reaches
# into the module, the setuid program that draws in APR. Each folder knows itself and lib/, and lib/
# knows nothing of ours.
cd "$(dirname "$0")/../.." || exit 1
failed=0

complain() {
    echo "layers: $1"
    failed=1
}

# sources FOLDER...: their C files; a folder without any is a broken guard.
sources() {
    found=$(find "$@" -name '*.[ch]' 2>/dev/null)
    [ -n "$found" ] || echo "layers: no C sources in $*" >&2
    echo "$found"
}

# includes FILE: what it includes of ours.
includes() {
    sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$1"
}

# allow FOLDER PREFIX...: files of the folder include only what begins with one of the prefixes.
allow() {
    folder=$1
    shift
    files=$(sources "$folder")
    [ -n "$files" ] || failed=1
    for file in $files; do
        for header in $(includes "$file"); do
            allowed=no
            for prefix in "$@"; do
                case $header in "$prefix"*) allowed=yes ;; esac
            done
            [ "$allowed" = yes ] || complain "$file must not include $header"
        done
    done
}

allow lib lib/
allow mod_retrace mod_retrace/ lib/
allow helpers helpers/ lib/
allow worker worker/ lib/
allow worker/ingest worker/ingest/ lib/
[ ! -d cleanup ] || allow cleanup cleanup/ lib/

# httpd's headers and functions stay in the module.
others=$(sources lib helpers worker)
hits=$(grep -nE '#[[:space:]]*include[[:space:]]*<(httpd|http_[a-z]+|ap_[a-z_]+|util_[a-z]+|mpm_common|scoreboard)\.h>' \
    $others)
[ -z "$hits" ] || complain "httpd's headers outside mod_retrace/:
$hits"
hits=$(grep -nE '(^|[^A-Za-z0-9_])ap_[a-z0-9_]+[[:space:]]*\(' $others)
[ -z "$hits" ] || complain "httpd's functions outside mod_retrace/:
$hits"

# The library does not log: its callers do, once.
hits=$(grep -nE '#[[:space:]]*include[[:space:]]*<syslog\.h>|(^|[^A-Za-z0-9_])(syslog|printf|perror)[[:space:]]*\(' \
    $(sources lib) | grep -v 'format(printf')
[ -z "$hits" ] || complain "lib/ logs:
$hits"

# The setuid program: libc only, and the objects of LIBC_ONLY with it.
libc_only=$(sed -n 's/^LIBC_ONLY[[:space:]]*:=[[:space:]]*//p' Makefile)
[ -n "$libc_only" ] || complain "LIBC_ONLY is not in the Makefile"
for file in helpers/retrace-helper.c $libc_only; do
    for part in "$file" "${file%.c}.h"; do
        [ -e "$part" ] || continue
        hits=$(grep -nE '#[[:space:]]*include[[:space:]]*<(apr|openssl|archive|lzma|zlib)' "$part")
        [ -z "$hits" ] || complain "$part is for the setuid program: libc only: $hits"
    done
    for header in $(includes "$file"); do
        case " helpers/helper_exit.h helpers/helper_policy.h $(echo "$libc_only" | sed 's/\.c/.h/g') " in
        *" $header "*) ;;
        *) complain "$file is for the setuid program and must not include $header" ;;
        esac
    done
done

exit $failed
