#!/bin/sh
# SPDX-License-Identifier: MIT
# sh tests/loom/spin.sh: Spin goes through all states of attempt.pml. TAP.
set -u
model=$(cd "$(dirname "$0")" && pwd)/attempt.pml
echo 1..2
if ! command -v spin >/dev/null 2>&1; then
    echo 'ok 1 - attempt # SKIP spin is not installed'
    echo 'ok 2 - attempt_mutant # SKIP spin is not installed'
    exit 0
fi
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
cd "$scratch" || exit 2

# judge MODEL: whether there is no error, and no state from which nothing follows.
judge() {
    rm -f pan.* model.pml.trail
    spin -a "$1" >spin.log 2>&1 && gcc -O1 -w -o pan pan.c && ./pan -m100000 >pan.log 2>&1 &&
        grep -q 'errors: 0' pan.log
}

cp "$model" model.pml
if judge model.pml; then
    grep 'states, stored' pan.log | sed 's/^/#/'
    echo 'ok 1 - attempt'
else
    sed 's/^/# /' spin.log pan.log | head -n 60
    echo 'not ok 1 - attempt'
fi
# Without the generation an old answer ends the slot's new owner: that must be found.
sed 's/ && generation == handle//' "$model" >model.pml
if ! cmp -s "$model" model.pml && ! judge model.pml && grep -q 'errors: 1' pan.log; then
    echo 'ok 2 - attempt_mutant'
else
    echo 'not ok 2 - attempt_mutant'
fi
