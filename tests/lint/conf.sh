#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prevents an option, a default, a limit, a directive, a program or an exit code that the code has and
# the files for admins do not, or the reverse: whoever reads them would be told something untrue.
# Needs the build ($B). A file that is missing is an error.
cd "$(dirname "$0")/../.." || exit 1
B=${B:-build}
conf=conf.d/retrace-server.conf
page=conf.d/retrace-server.conf.5
httpd_conf=conf.d/retrace.conf.in
failed=0

complain() {
    echo "conf: $1"
    failed=1
}

for file in "$B/retrace-server-config" $conf $page $httpd_conf lib/config.c \
    mod_retrace/directives.c mod_retrace/API.md mod_retrace/mod_retrace.8 helpers/helper_exit.h \
    helpers/retrace-helper.8 helpers/task/exit.h helpers/task/retrace-server-task.1 helpers/reposync/exit.h \
    helpers/reposync/retrace-server-reposync.8 Makefile; do
    if [ ! -r "$file" ]; then
        echo "conf: $file is missing"
        exit 1
    fi
done

# --- Options: the table, the shipped file, the page ---
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
"$B/retrace-server-config" --defaults | sed -n 's/ *$//; s/ = / = /; /=/p' | sort >"$work/table"
sed -n 's/ *$//; s/^#\([A-Za-z]* =.*\)$/\1/p' $conf | sort >"$work/file"
[ -s "$work/table" ] || complain "retrace-server-config --defaults tells no option"
[ -s "$work/file" ] || complain "$conf has no commented option"
difference=$(diff "$work/table" "$work/file" | sed -n 's/^< /not, or otherwise, in the file: /p
    s/^> /not, or otherwise, in the code: /p')
[ -z "$difference" ] || complain "$conf and the code differ:
$difference"
twice=$(sed 's/ =.*//' "$work/file" | uniq -d)
[ -z "$twice" ] || complain "$conf has twice: $twice"

# described KEY: the words of the page about it, on one line.
described() {
    awk -v key="$1" '
        /^\.It Cm / { inside = ($3 == key) }
        /^\.El/ { inside = 0 }
        inside { printf "%s ", $0 }' $page
}
for key in $(sed 's/ =.*//' "$work/table"); do
    [ -n "$(described "$key")" ] || complain "$key is not described in $page"
done
for key in $(sed -n 's/^\.It Cm \([A-Za-z]*\)$/\1/p' $page); do
    grep -q "^$key =" "$work/table" || complain "$page describes $key, which is no option"
done

# { "Key", KIND_NUMBER, FIELD(name), "default", min, max, NULL },
max_mb=$((16 * 1024 * 1024))
grep -q '^#define MAX_MB  *(INT64_C(16) \* 1024 \* 1024)' lib/config.c ||
    complain "MAX_MB of lib/config.c is not what this script takes it for"
tr '\n' ' ' <lib/config.c | grep -o '{ *"[A-Za-z]*", *KIND_NUMBER,[^}]*}' |
    sed "s/MAX_MB/$max_mb/" | tr -d '{}" ' >"$work/numbers"
[ -s "$work/numbers" ] || complain "lib/config.c has no KIND_NUMBER"
while IFS=, read -r key _ _ default min max _; do
    case $(described "$key") in
    *"$min to $max; default $default."*) ;;
    *) complain "$page does not say of $key: $min to $max; default $default." ;;
    esac
done <"$work/numbers"

# --- Directives ---
directives=$(sed -n 's/.*AP_INIT_[A-Z0-9]*("\([A-Za-z]*\)".*/\1/p' mod_retrace/directives.c)
[ -n "$directives" ] || complain "mod_retrace/directives.c has no directive"
for name in $directives; do
    grep -qE "^[[:space:]]*#?[[:space:]]*$name( |$)" $httpd_conf ||
        complain "$name is not in $httpd_conf"
    grep -q "^\.It Cm $name\( \|$\)" mod_retrace/mod_retrace.8 || grep -q "\`$name" mod_retrace/API.md ||
        complain "$name is neither in mod_retrace/mod_retrace.8 nor in mod_retrace/API.md"
done
for name in $(sed -n 's/^[[:space:]]*\(Retrace[A-Za-z]*\).*/\1/p' $httpd_conf | sort -u); do
    echo "$directives" | grep -qx "$name" || complain "$httpd_conf has $name, which is no directive"
done

# --- Programs and their pages ---
programs=$(sed -n '/^PROGRAMS *:=/,/)$/s/^ *\([a-z][a-z0-9-]*\)[ )].*/\1/p' Makefile | sort -u)
[ -n "$programs" ] || complain "the Makefile has no PROGRAMS"
for program in $programs; do
    [ -n "$(find helpers worker cleanup -name "$program.[18]" 2>/dev/null)" ] ||
        complain "$program has no page $program.1 or $program.8"
done

# --- Exit codes ---
# same_codes HEADER PREFIX PAGE: the codes but 0 of the enum and of the page.
same_codes() {
    codes=$(sed -n "s/.*$2_[A-Z_]* = \([1-9][0-9]*\).*/\1/p" "$1")
    [ -n "$codes" ] || complain "$1 has no code"
    for code in $codes; do
        grep -q "^\.It \(Li \|Er \)\?$code$" "$3" || complain "exit code $code is not in $3"
    done
    for code in $(sed -n 's/^\.It \(Li \|Er \)\?\([1-9][0-9]*\)$/\2/p' "$3"); do
        echo "$codes" | grep -qx "$code" || complain "$3 has exit code $code, which $1 has not"
    done
}
same_codes helpers/helper_exit.h HELPER_EXIT helpers/retrace-helper.8
same_codes helpers/task/exit.h TASK_EXIT helpers/task/retrace-server-task.1
same_codes helpers/reposync/exit.h REPOSYNC_EXIT helpers/reposync/retrace-server-reposync.8

exit $failed
