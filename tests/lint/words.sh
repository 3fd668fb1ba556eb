#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prevents what only its writer understands: paths of the machine it was written on, and notes about
# work that was left undone.
cd "$(dirname "$0")/../.." || exit 1
files=$(find . \( -name .git -o -path ./build -o -path ./cov -o -name __pycache__ -o -path ./tests/data \
    -o -path ./LICENSE \) -prune -o -type f -print)
[ -n "$files" ] || {
    echo "words: no files found"
    exit 1
}
failed=0

# refuse WHAT PATTERN
refuse() {
    hits=$(echo "$files" | tr '\n' '\0' | xargs -0 grep -InE "$2" /dev/null)
    if [ -n "$hits" ]; then
        echo "words: $1:"
        echo "$hits"
        failed=1
    fi
}

# Brackets keep this file from finding itself.
refuse "a path of somebody's machine" '(^|[^A-Za-z0-9_.])/([w]ork|[U]sers|[h]ome/[a-z]+|[r]oot)/'
refuse "a note about work left undone" '(^|[^A-Za-z])([T]ODO|[F]IXME|[X]XX)([^A-Za-z]|$)'
exit $failed
