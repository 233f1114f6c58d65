#!/bin/sh
# make demo: two real programs, plain and then under `quire run' in 64 MiB.
#
# Their input is made here, from a fixed seed.  The two outputs of each program
# are compared byte for byte; the reports say what Quire did, and the heat map
# shows it.  Everything temporary goes when this ends, also by Ctrl-C.
set -eu
cd "$(dirname "$0")/.."

quire=$PWD/build/release/cli/quire
out=$PWD/build/demo
memory=64M
export PYTHONHASHSEED=0
python=python3
[ ! -x /usr/bin/python3 ] || python=/usr/bin/python3
work=

fail() {
        echo "demo: $*" >&2
        exit 1
}
clean_up() {
        [ -z "$work" ] || rm -rf "$work"
        work=
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

seconds_since() {
        echo "$1 $(date +%s.%N)" | awk '{ printf "%.1f s", $2 - $1 }'
}

# compare NAME INPUT PROGRAM...: run it plain and under Quire, and compare.
compare() {
        name=$1 input=$2
        shift 2
        printf '\n== %s\n   %s\n' "$name" "$*"
        start=$(date +%s.%N)
        "$@" <"$input" >"$work/plain.out" || fail "$name failed by itself (status $?)"
        echo "   plain:                        $(seconds_since "$start")"
        start=$(date +%s.%N)
        status=0
        TMPDIR=$work "$quire" run --memory $memory --pagefile "$work" --report "text=$work/report" \
                --heatmap "$out/$name.png" -- "$@" <"$input" >"$work/quire.out" || status=$?
        [ $status = 0 ] || fail "$name under quire run ended with status $status"
        echo "   under quire run, in $memory:     $(seconds_since "$start")"
        cmp "$work/plain.out" "$work/quire.out" || fail "$name: the outputs differ"
        echo "   output: the same, all $(wc -c <"$work/plain.out") bytes"
        sed 's/^/   | /' "$work/report"
        echo "   heat map: $out/$name.png"
}

scripts/build.sh release
[ -x "$quire" ] || fail "build/release/cli/quire was not built"
mkdir -p "$out"
work=$(mktemp -d "${TMPDIR:-/tmp}/quire-demo.XXXXXX")
free=$(df -Pk "$work" | awk 'NR == 2 { print int($4 / 1024) }')
[ "$free" -ge 1500 ] || fail "$work has $free MiB free; 1500 are needed (TMPDIR says where)"

printf '== making 110 MB of random words\n'
awk 'BEGIN {
        srand(7)
        for (i = 0; i < 4096; i++) {
                word[i] = ""
                for (n = 4 + int(rand() * 9); n > 0; n--)
                        word[i] = word[i] substr("etaoinshrdlucmfwypvbgkjqxz", 1 + int(rand() * rand() * 26), 1)
        }
        for (size = 0; size < 110000000; size += length(line) + 1) {
                line = word[int(rand() * 4096)]
                for (n = 40 + int(rand() * 80); n >= 0; n--)
                        line = line " " word[int(rand() * 4096)]
                print line
        }
}' >"$work/words" || fail "could not make the input"

cat >"$work/dicts.py" <<'END'
import random, sys
draw = random.Random(11)
people = {}
for i in range(700_000):
    people[f'person-{i}'] = {'age': draw.randrange(100), 'name': f'{draw.getrandbits(64):016x}'}
ages = [0] * 100
for person in people.values():
    ages[person['age']] += 1
oldest = sorted(people, key=lambda key: -people[key]['age'])[:1000]
print(len(people), ages, [people[key]['name'] for key in oldest])
END

compare sort "$work/words" sort -S 300M --parallel=2 -T "$work"
compare dicts /dev/null "$python" "$work/dicts.py"
printf '\nBoth programs gave the same output in %s as without a limit.\n' $memory
