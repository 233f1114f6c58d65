#!/bin/sh
# make bench: build, and print the table.  BENCH_ARGS are options of bench/run.sh.
set -eu
cd "$(dirname "$0")/.."
scripts/build.sh release
# shellcheck disable=SC2086 # BENCH_ARGS are words
exec bench/run.sh build/release ${BENCH_ARGS:-}
