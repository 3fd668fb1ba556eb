#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prevents an endpoint or a refusal that the wire contract (mod_retrace/API.md) does not know, or knows
# otherwise. tests/e2e/test_050_contract.py compares what both say with what the server does.
cd "$(dirname "$0")/../.." || exit 1
api=mod_retrace/API.md
failed=0

complain() {
    echo "api: $1"
    failed=1
}

for file in $api mod_retrace/route.c lib/upload_form.c; do
    if [ ! -r "$file" ]; then
        echo "api: $file is missing"
        exit 1
    fi
done

# --- Routes: { "name", M_GET, … } in two tables, the second one below /<id>/ ---
endpoints=$(sed -n '/^## Endpoints$/,/^## /s/^| \(GET\|POST\) | `\([^`]*\)`.*/\1 \2/p' $api | sort)
[ -n "$endpoints" ] || complain "$api has no table of endpoints"
routes=$(awk '
    /^static const route_t routes/ { prefix = "/" }
    /^static const task_route_t task_routes/ { prefix = "/<id>/" }
    prefix != "" && /^    \{ "/ {
        split($0, part, "\"")
        method = $0 ~ /M_POST/ ? "POST" : "GET"
        path = prefix part[2]
        sub(/^\/<id>\/$/, "/<id>", path)
        print method " " path
    }
    /^};/ { prefix = "" }
    /result_route = / { print "GET /<id>/results/<key>" }' mod_retrace/route.c | sort)
[ -n "$routes" ] || complain "mod_retrace/route.c has no routes"
[ "$endpoints" = "$routes" ] || complain "$api and mod_retrace/route.c differ:
$endpoints
---
$routes"

# --- Sentences of the module: literals in calls of mr_reply_refusal, joined over lines ---
sentences=$(cat mod_retrace/*.c | tr '\n' ' ' | grep -oE 'mr_reply_refusal\([^;]*;' |
    grep -oE '"[A-Z][^;]*\."' | sed 's/" *"//g; s/^"//; s/"$//; s/\\"/"/g')
[ -n "$sentences" ] || complain "the module has no refusals"
IFS='
'
for sentence in $(echo "$sentences" | grep -v %); do
    grep -qF "$sentence" $api || complain "$api does not have: $sentence"
done

# --- Content types ---
for type in $(sed -n 's/.*{ "\(application[^"]*\)".*/\1/p' lib/upload_form.c); do
    grep -qF "| \`$type\` |" $api || complain "$api does not list $type"
done

exit $failed
