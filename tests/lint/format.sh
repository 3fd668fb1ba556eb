#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prevents changes of layout that hide a change of code in a diff. `make format` mends what it finds.
cd "$(dirname "$0")/../.." || exit 1
[ -r .clang-format ] || {
    echo "format: .clang-format is missing"
    exit 1
}
if ! command -v clang-format >/dev/null; then
    echo "format: clang-format is not installed"
    exit 1
fi
files=$(find lib mod_retrace helpers worker cleanup tests -name '*.[ch]' 2>/dev/null | sort)
[ -n "$files" ] || {
    echo "format: no C sources found"
    exit 1
}
failed=0
for file in $files; do
    if ! clang-format --dry-run -Werror "$file" >/dev/null 2>&1; then
        echo "format: $file is not laid out by .clang-format"
        failed=1
    fi
done
exit $failed
