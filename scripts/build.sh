#!/bin/sh
# Configure and build one of the build folders.
#
# usage: build.sh release|clang|asan|tsan|fuzz [ninja target...]
#        build.sh install                     (PREFIX, DESTDIR)
#
#   release   gcc; what is installed, demonstrated and measured
#   clang     clang, the same
#   asan      gcc, AddressSanitizer and UndefinedBehaviorSanitizer, debug checks on
#   tsan      gcc, ThreadSanitizer, debug checks on
#   fuzz      clang, libFuzzer with AddressSanitizer, debug checks on
set -eu
cd "$(dirname "$0")/.."

kind=${1:?usage: build.sh release|clang|asan|tsan|fuzz|install}
shift
compiler=gcc
case $kind in
release) options= ;;
install) options= ;;
clang) compiler=clang options= ;;
asan) options='-Db_sanitize=address,undefined -Db_lundef=false -Daudit=true' ;;
tsan) options='-Db_sanitize=thread -Db_lundef=false -Daudit=true' ;;
fuzz) compiler=clang
      options='-Db_sanitize=address,undefined -Db_lundef=false -Daudit=true -Dfuzz=true' ;;
*) echo "build.sh: no such build: $kind" >&2; exit 2 ;;
esac

folder=build/$kind
log=$folder/setup.log
mkdir -p "$folder"
if [ "$kind" = install ]; then
        prefix=${PREFIX:-/usr/local}
        case $prefix in /*) ;; *) echo "PREFIX must begin with a slash" >&2; exit 2 ;; esac
        options="-Dprefix=$prefix -Dlibdir=lib -Dtests=false"
fi
# ninja notices a meson.build that changed, not one that is new: folders without are left out.
known=$(find . -name build -prune -o -name .git -prune -o -name meson.build -print | sort
        ls core/*.c)
if [ -e "$folder/build.ninja" ] && [ "$known" != "$(cat "$folder/known" 2>/dev/null)" ]; then
        meson setup --reconfigure "$folder" >"$log" 2>&1 </dev/null || { cat "$log" >&2; exit 1; }
fi
if [ ! -e "$folder/build.ninja" ]; then
        # shellcheck disable=SC2086 # options are words
        if ! CC=$compiler meson setup "$folder" $options >"$log" 2>&1 </dev/null; then
                cat "$log" >&2
                exit 1
        fi
elif [ "$kind" = install ]; then
        # shellcheck disable=SC2086
        meson configure "$folder" $options
fi

echo "$known" >"$folder/known"

jobs=${JOBS:-$(nproc)}
output=$(mktemp)
trap 'rm -f "$output"' EXIT
if [ -t 1 ]; then
        ninja -C "$folder" -j "$jobs" "$@"
elif ! ninja -C "$folder" -j "$jobs" "$@" >"$output" 2>&1; then
        grep -v '^\[[0-9]*/[0-9]*\] [A-Z][a-z]*ing ' "$output" >&2 || cat "$output" >&2
        exit 1
fi

if [ "$kind" = install ]; then
        meson install -C "$folder" --no-rebuild --quiet ${DESTDIR:+--destdir "$DESTDIR"}
        echo "Installed under ${DESTDIR:-}$prefix"
fi
