#!/bin/sh
# usage: run.sh BUILD [--quick] [--only calls,faults,paging,watch,fitting,full]
#               [--json FILE] [--dir DIR]
#
# Prints one table: what Quire of the build folder BUILD costs, against the kernel
# and against the baselines here.  As root it measures the kernel's swap too, with
# a memory cgroup and a swap file that it makes and removes.  The last group, whole
# programs at full size, takes as long as those programs do.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${1:?usage: run.sh BUILD [--quick] [--only KEYS] [--json FILE] [--dir DIR]}
shift
if [ ! -x "$build/bench/quire-bench" ]; then
        echo "bench: $build/bench/quire-bench is not built" >&2
        exit 2
fi
exec "$build/bench/quire-bench" --quire "$build/cli/quire" --programs "$here/programs.py" "$@"
