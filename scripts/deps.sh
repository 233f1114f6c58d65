#!/bin/sh
# Install the Debian packages that are missing.  Says nothing where none is.
#
# usage: deps.sh build|check
#
#   build   what building, `make demo' and `make install' take
#   check   that, and what the tests, the benchmarks and the fuzzer take besides
#
# Each need is named by something that can be looked for without the package
# manager, so that this also works (as far as looking goes) elsewhere than on Debian.
# redis-tools holds the redis server's binary too, and starts no service.
set -eu

needs_build='
gcc             command gcc
libc6-dev       header stdio.h
meson           command meson
ninja-build     command ninja
pkg-config      command pkg-config
python3         command python3
liblz4-dev      header lz4.h
liburing-dev    header liburing.h
libpng-dev      header png.h
util-linux      command setarch
'
needs_check='
binutils        command nm
clang           command clang
libclang-rt-dev sanitizers clang
libcmocka-dev   header cmocka.h
sqlite3         command sqlite3
xz-utils        command xz
redis-tools     command redis-check-rdb
util-linux      command setpriv
'

has() {
        case $1 in
        command) command -v "$2" >/dev/null ;;
        header)
                [ -e "/usr/include/$2" ] && return 0
                # cmocka.h and some others want their own headers first.
                echo "#if !__has_include(<$2>)
                #error missing
                #endif" | ${CC:-cc} -E -x c - >/dev/null 2>&1
                ;;
        sanitizers)
                command -v "$2" >/dev/null || return 1
                for file in "$("$2" -print-resource-dir)"/lib/*/libclang_rt.fuzzer*.a; do
                        [ -e "$file" ] && return 0
                done
                return 1
                ;;
        esac
}

case ${1:-build} in
build) needs=$needs_build ;;
check) needs=$needs_build$needs_check ;;
*) echo "usage: deps.sh build|check" >&2; exit 2 ;;
esac

missing=
while read -r package kind what; do
        [ -n "$package" ] || continue
        has "$kind" "$what" || missing="$missing $package"
done <<END
$needs
END
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
        echo "Quire needs what Debian's packages of these names hold:$missing" >&2
        echo "This system has no apt-get; please install them, and try again." >&2
        exit 1
fi
if [ "$(id -u)" = 0 ]; then
        root=
elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
        root=sudo
else
        echo "Quire needs these packages, and only root may install them:" >&2
        echo "    apt-get install$missing" >&2
        exit 1
fi

echo "Installing what Quire needs:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Tests start servers of their own; nothing installed here shall start one.
if ! { $root env DEBIAN_FRONTEND=noninteractive apt-get update &&
       $root env DEBIAN_FRONTEND=noninteractive apt-get install -y \
                --no-install-recommends $missing; } >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        echo "Could not install:$missing" >&2
        exit 1
fi
