#!/bin/sh
# SPDX-License-Identifier: MIT
# sh tests/run.sh [--quick | --long]
#
# Builds and tests everything, from the top folder or anywhere. Installs what is missing from
# Debian's packages when it may, else says what to install. Each stage has its own build folder
# and prints one line; its whole output is in FOLDER/run.log.
#   --quick   only the first stage (gcc)
#   --long    also the long searches, and the sanitizers on all suites
# Ends with `N passed, N failed, N skipped`; exits 1 when something failed, 2 when it can't run.
set -u
cd "$(dirname "$0")/.." || exit 2

mode=normal
case ${1-} in
'') ;;
--quick) mode=quick ;;
--long) mode=long ;;
*)
    sed -n 's/^# \{0,1\}//; 2,/^$/d; /^Builds/,/^Ends/p' "$0"
    exit 2
    ;;
esac

# ---- What must be installed -------------------------------------------------------------------

missing_packages() {
    for pair in meson:meson ninja:ninja-build pkg-config:pkg-config gcc:gcc g++:g++ clang:clang \
        python3:python3 dot:graphviz chromium:chromium objcopy:binutils tcc:tcc \
        clang-format:clang-format spin:spin; do
        command -v "${pair%%:*}" >/dev/null 2>&1 || printf '%s ' "${pair#*:}"
    done
    for pair in benchmark:libbenchmark-dev tbb:libtbb-dev eigen3:libeigen3-dev; do
        pkg-config --exists "${pair%%:*}" 2>/dev/null || printf '%s ' "${pair#*:}"
    done
    [ -e /usr/include/relacy/relacy.hpp ] || printf 'relacy-dev '
    printf 'int main(void){return 0;}' |
        clang -fsanitize=address -x c - -o "$scratch/probe" 2>/dev/null ||
        printf 'libclang-rt-14-dev '
    printf '#include <stdio.h>\nint main(void){return 0;}' |
        gcc -x c - -o "$scratch/probe" 2>/dev/null || printf 'libc6-dev '
}

install_missing() {
    missing=$(missing_packages)
    [ -z "$missing" ] && return 0
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "installing: $missing"
        # shellcheck disable=SC2086 # a list of names
        (apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
            apt-get -qq -y --no-install-recommends install $missing) >"$scratch/apt.log" 2>&1 ||
            cat "$scratch/apt.log"
        missing=$(missing_packages)
    fi
    [ -z "$missing" ] && return 0
    echo "missing: $missing"
    echo "on Debian or Ubuntu: sudo apt-get update && sudo apt-get install $missing"
    return 1
}

# ---- Stages -----------------------------------------------------------------------------------

passed=0 failed=0 skipped=0

report() { # NAME PASSED FAILED SKIPPED SECONDS
    printf '%-12s %6d ok %4d not ok %4d skip %5d s\n' "$@"
    passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + $4))
}

# stage NAME FOLDER COMPILER "SETUP OPTIONS" "TEST OPTIONS"
# Only what the chosen tests need is built.
stage() {
    stage_start=$(date +%s)
    mkdir -p "$2"
    log=$2/run.log
    cxx=g++
    [ "$3" = clang ] && cxx=clang++
    again=
    [ -f "$2/build.ninja" ] && again=--reconfigure
    rm -f "$2/meson-logs/testlog.json"
    # shellcheck disable=SC2086 # lists of options
    {
        CC=$3 CXX=$cxx meson setup $again "$2" $4 &&
            meson test -C "$2" --print-errorlogs $5
    } >"$log" 2>&1
    stage_code=$?
    counts='0 0 0'
    : >"$scratch/failures"
    if [ -f "$2/meson-logs/testlog.json" ]; then
        counts=$(python3 tests/tally.py "$2/meson-logs/testlog.json" 2>"$scratch/failures")
    fi
    # A stage that broke before or outside its tests, or ran none, is one failure.
    case $stage_code/$counts in
    0/'0 0 0') counts='0 1 0' ;;
    0/* | */*' '[1-9]*' '*) ;;
    *) counts="${counts%% *} 1 ${counts##* }" ;;
    esac
    # shellcheck disable=SC2086 # three numbers
    report "$1" $counts $(($(date +%s) - stage_start))
    if [ -s "$scratch/failures" ]; then
        cat "$scratch/failures"
    elif [ "$stage_code" -ne 0 ]; then
        echo "--- from $log"
        { grep -A 12 -E '^FAILED:|ERROR:' "$log" || tail -n 60 "$log"; } | head -n 100 |
            sed 's/^/    /'
    fi
}

scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
install_missing || exit 2

# Warnings are errors only for the compilers that CI has (a newer one may know new warnings), and
# not under sanitizers, whose code makes gcc warn of what isn't there.
werror=-Dwerror=false
case $(gcc -dumpversion)/$(clang -dumpversion) in
12*/14.*) werror=-Dwerror=true ;;
esac
normal='--no-suite long'
checked='--suite unit --suite sim --suite examples'
[ "$mode" = long ] && normal= &&
    checked='--no-suite tidy --no-suite header --no-suite consume'

[ "$mode" = quick ] && normal="$normal --no-suite mutants"
stage gcc build gcc "$werror" "$normal"
if [ "$mode" != quick ]; then
    sanitize='-Dwerror=false -Db_lundef=false -Db_sanitize='
    stage asan+ubsan build-asan gcc "${sanitize}address,undefined" \
        "$checked --timeout-multiplier 4"
    stage tsan build-tsan gcc "${sanitize}thread -Dc_args=-Wno-tsan" \
        "$checked --timeout-multiplier 8"
    stage clang build-clang clang "$werror" \
        '--suite unit --suite sim --suite examples --suite all --suite fuzz'
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
