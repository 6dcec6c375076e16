#!/bin/sh
# SPDX-License-Identifier: MIT
# expect.sh PROGRAM [EXPECTED]: runs PROGRAM; fails unless it exits 0 and, where a file EXPECTED
# is given, prints exactly that on stdout.
set -u
output=$(mktemp) || exit 1
trap 'rm -f "$output"' EXIT
"$1" >"$output"
code=$?
if [ "$code" -ne 0 ]; then
    cat "$output"
    echo "expect.sh: $1 exited with $code"
    exit 1
fi
if [ $# -ge 2 ] && ! diff -u "$2" "$output"; then
    echo "expect.sh: the output of $1 differs from $2 (-: expected, +: printed)"
    exit 1
fi
