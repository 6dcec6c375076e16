#!/bin/sh
# SPDX-License-Identifier: MIT
# consume.sh: the ways into somebody else's build. A program that uses swarm and its mock backend
# is built and run as a Meson parent project and against an installed tree (pkg-config, shared and
# static). One TAP line each.
set -u
top=$(cd "$(dirname "$0")/.." && pwd) || exit 1
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
number=0

cat >"$scratch/main.c" <<'END'
#include <swarm.h>
#include <swarm_mock.h>
int main(void) {
    return swarm_version() == SWARM_VERSION ? 0 : 1;
}
END

report() { # NAME STATUS
    number=$((number + 1))
    if [ "$2" -eq 0 ]; then
        echo "ok $number - $1"
    else
        sed 's/^/# /' "$scratch/log" | tail -n 40
        echo "not ok $number - $1"
        failed=1
    fi
}

meson_parent() {
    mkdir -p "$scratch/parent/subprojects" && cp "$scratch/main.c" "$scratch/parent/" &&
        ln -s "$top" "$scratch/parent/subprojects/swarm" || return 1
    cat >"$scratch/parent/meson.build" <<'END'
project('parent', 'c', default_options: ['c_std=c11'])
swarm_mock = dependency('swarm_mock', fallback: ['swarm'])
test('main', executable('main', 'main.c', dependencies: [dependency('swarm'), swarm_mock]))
END
    meson setup --buildtype debug "$scratch/parent/build" "$scratch/parent" &&
        meson test -C "$scratch/parent/build" &&
        ! find "$scratch/parent/build" -name 'test_*' | grep . # a parent never builds our tests
}

installed() {
    meson setup --buildtype debug --prefix "$scratch/usr" --libdir lib "$scratch/build" "$top" &&
        meson install -C "$scratch/build" --tags devel,runtime
}

# shellcheck disable=SC2046 # lists of options
shared() {
    cc "$scratch/main.c" -o "$scratch/shared" $(pkg-config --cflags --libs swarm_mock swarm) &&
        LD_LIBRARY_PATH="$scratch/usr/lib" "$scratch/shared"
}

# shellcheck disable=SC2046 # lists of options
static() {
    cc -static "$scratch/main.c" -o "$scratch/static" \
        $(pkg-config --static --cflags --libs swarm_mock swarm) && "$scratch/static"
}

failed=0
echo 1..4
export PKG_CONFIG_PATH="$scratch/usr/lib/pkgconfig"
meson_parent >"$scratch/log" 2>&1
report 'a Meson parent project' $?
installed >"$scratch/log" 2>&1
report 'meson install' $?
shared >"$scratch/log" 2>&1
report 'pkg-config, shared library' $?
static >"$scratch/log" 2>&1
report 'pkg-config --static' $?
exit "$failed"
