#!/bin/sh
# make fuzz: the long random runs.
#
#   FUZZ_STEPS     random operations against the model (100000000; Linux a fifth of it)
#   FUZZ_SECONDS   how long each libFuzzer program runs (600)
#   QUIRE_SEED     the seed of the former; a new one where it is not set
#
# Both at once, on a core each.  What libFuzzer learns stays in build/fuzz/corpus.
# Ends with `N passed, N failed', one for each program; status 1 if one failed.
set -eu
cd "$(dirname "$0")/.."
steps=${FUZZ_STEPS:-100000000}
seconds=${FUZZ_SECONDS:-600}
passed=0 failed=0 model=

trap '[ -z "$model" ] || kill "$model" 2>/dev/null || :' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

judge() {                # NAME STATUS
        if [ "$2" = 0 ]; then
                passed=$((passed + 1))
                echo "$1: ok"
        else
                failed=$((failed + 1))
                echo "$1: FAILED (status $2)"
        fi
}

scripts/build.sh release
scripts/build.sh fuzz
if [ -x build/release/tests/model/random_test ]; then
        echo "random operations: $steps (build/fuzz/random.log)"
        build/release/tests/model/random_test --steps "$steps" >build/fuzz/random.log 2>&1 &
        model=$!
fi
for program in build/fuzz/fuzz/*; do
        [ -f "$program" ] && [ -x "$program" ] || continue
        name=$(basename "$program")
        mkdir -p "build/fuzz/corpus/$name"
        echo "$name: $seconds s (build/fuzz/$name.log)"
        status=0
        # Long inputs from the start: a run of a few steps finds little.
        "$program" -max_total_time="$seconds" -len_control=0 -timeout=60 -rss_limit_mb=4096 \
                -print_final_stats=1 -artifact_prefix="build/fuzz/$name-" "build/fuzz/corpus/$name" \
                >"build/fuzz/$name.log" 2>&1 || status=$?
        tail -n 20 "build/fuzz/$name.log" | grep -E 'stat::number_of_executed_units|ERROR|SUMMARY|Test unit' || :
        judge "$name" $status
done
if [ -n "$model" ]; then
        status=0
        wait "$model" || status=$?
        model=
        tail -n 12 build/fuzz/random.log
        judge random_test $status
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
