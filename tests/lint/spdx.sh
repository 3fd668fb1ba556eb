#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prevents a source file whose licence is unknown once it is copied elsewhere: the first line says it,
# or the second behind #!.
cd "$(dirname "$0")/../.." || exit 1
licence='SPDX-License-Identifier: Apache-2.0'
files=$(find . \( -name .git -o -path ./build -o -path ./cov -o -name __pycache__ \) -prune -o -type f \
    \( -name '*.[ch158]' -o -name '*.sh' -o -name '*.bash' -o -name '*.py' -o -name '*.mk' -o -name '*.yml' \
    -o -name '*.te' -o -name '*.fc' -o -name .clang-format -o -name .clang-tidy \) -print)
scripts=$(find . \( -name .git -o -path ./build -o -path ./cov -o -path ./tests/data \) -prune -o \
    -type f -perm -u+x ! -name '*.*' -print)
[ -n "$files" ] || {
    echo "spdx: no sources found"
    exit 1
}
failed=0
for file in $files $scripts; do
    if ! head -n 2 "$file" | awk -v licence="$licence" '
        NR == 1 && index($0, licence) { found = 1 }
        NR == 1 { script = /^#!/ }
        NR == 2 && script && index($0, licence) { found = 1 }
        END { exit !found }'; then
        echo "spdx: $file does not begin with its licence"
        failed=1
    fi
done
exit $failed
