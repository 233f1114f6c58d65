#!/bin/sh
# usage: run.sh BUILD [--quick] [--only KEYS] [--skip KEYS] [--json FILE] [--dir DIR]
#
# KEYS, separated by commas: calls, faults, share, paging, files, watch, fitting, full.
#
# Prints one table: what Quire of the build folder BUILD costs, against the kernel
# and against the baselines here.  As root it measures the kernel's swap too, with
# a memory cgroup and a swap file that it makes and removes.  The groups but the
# last take some ten minutes; the last, whole programs at full size in 64 MiB, as
# long as those programs do (--skip full).
#
# On a quiet machine: a contender that computes loses more to a busy neighbour
# than one that sleeps, so that ratios of different mechanisms shift.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${1:?usage: run.sh BUILD [options]}
shift
if [ ! -x "$build/bench/quire-bench" ]; then
        echo "bench: $build/bench/quire-bench is not built" >&2
        exit 2
fi
exec "$build/bench/quire-bench" --quire "$build/cli/quire" --programs "$here/programs.py" "$@"
