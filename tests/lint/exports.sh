#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prevents what a linker adds without a word: a symbol of ours that clashes with another module's in
# httpd, a decoder or an ELF library in the process that holds the TLS keys, a library in the setuid
# program. Needs the build ($B); what is not built is an error.
cd "$(dirname "$0")/../.." || exit 1
B=${B:-build}
module=$B/mod_retrace.so
helper=$B/retrace-helper
failed=0

complain() {
    echo "exports: $1"
    failed=1
}

for file in "$module" "$helper"; do
    if [ ! -e "$file" ]; then
        echo "exports: $file is not built"
        exit 1
    fi
done

# A sanitizer and a coverage build export symbols of their own.
symbols=$(nm -D --defined-only "$module" | awk '{ print $NF }' |
    grep -vE '^(__asan_|__odr_asan|__ubsan|__gcov|mangle_path|__lsan)' | sort | tr '\n' ' ')
[ "$symbols" = "retrace_module " ] || complain "$module defines: $symbols"

# libraries FILE: the names that the file itself asks for.
libraries() {
    readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\].*/\1/p'
}

[ -n "$(libraries "$module")" ] || complain "readelf tells nothing about $module"
for library in $(libraries "$module"); do
    case $library in
    libarchive.* | liblzma.* | libelf.* | libdw.* | libz.* | libbz2.* | libzstd.* | librpm*.* | \
        libseccomp.* | libsqlite* | libcurl*)
        complain "$module links $library: httpd parses nothing"
        ;;
    esac
done

loaded=$(ldd "$helper") || complain "ldd cannot read $helper"
[ -n "$loaded" ] || complain "ldd tells nothing about $helper"
for library in $(echo "$loaded" | awk '{ print $1 }'); do
    case $library in
    linux-vdso.so.* | linux-gate.so.* | libc.so.6 | */ld-linux*.so.* | */ld64.so.*) ;;
    *) complain "$helper loads $library: it may load the C library only" ;;
    esac
done

exit $failed
