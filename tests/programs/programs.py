#!/usr/bin/env python3
"""Programs under `quire run', end to end.

usage: programs.py QUIRE TOOLS NAME...

QUIRE is the command, TOOLS the folder of the programs built here, NAME one of
the scenarios below.  Each runs a program plain and in a budget of at most a
quarter of its data, as root and as an ordinary user where we are root, and
checks: the same output and status, byte for byte; managed residency within the
budget, as seen from outside and as reported; at least 95 % of the program's
anonymous memory managed.  QUIRE_FULL=1 makes the data large; the table at the
end of each program is then what `make bench' shows.
"""
import os
import sys

import errors
import inputs
import redis
from under import FULL, MB_BUDGET, Stage, Tests, end_with_children, run_plain, run_quire, user_name, users

PYTHON = '/usr/bin/python3' if os.path.exists('/usr/bin/python3') else sys.executable
LIMIT = 3600 if FULL else 240                         # seconds
SHARE = 0.95


def budget(small):
    """Bytes: 64 MiB for the full size, and less for the small one."""
    return (64 if FULL else small) * MB_BUDGET


def read_all(stage, names):
    found = {}
    for name in names:
        try:
            with open(stage.path(name), 'rb') as file:
                found[name] = file.read()
            os.remove(stage.path(name))
        except OSError:
            found[name] = None
    return found


def check_residency(tests, name, run, memory, budgets=4):
    """What the sampler and the report say of a run in this budget, whose data is so many of them."""
    seen = run.sampler
    tests.check(seen.samples >= 3 and seen.peak <= memory, f'{name}_residency_seen_within_budget',
                f'{seen.peak / memory:.0%} at most, {seen.samples} looks at {len(seen.processes)} processes')
    if not tests.check(run.report is not None, f'{name}_writes_its_report'):
        return
    figures = run.report['memory']
    resident = [process['memory']['resident_peak'] for process in run.report['processes']]
    tests.check(resident and max(resident) <= memory, f'{name}_residency_reported_within_budget',
                f'{max(resident, default=0) / memory:.0%} at most')
    tests.check(figures['managed'] + figures['unmanaged'] >= budgets * memory, f'{name}_data_is_some_budgets',
                f'{figures["managed"] / memory:.1f} of {budgets} managed')
    tests.check((figures['managed_share'] or 0) >= SHARE, f'{name}_share_is_managed',
                f'{figures["managed_share"]:.2%} of {figures["managed"] >> 20} MiB')


def print_row(name, plain, run):
    faults = run.report['faults'] if run.report else {}
    print(f'    {name}: plain {plain.seconds:.2f} s, under quire {run.seconds:.2f} s '
          f'({run.seconds / max(plain.seconds, 0.01):.1f}x), faults ' +
          ', '.join(f'{kind} {count}' for kind, count in faults.items()), flush=True)


def first_difference(plain, run):
    """What to say of two outputs: how long they are, and where they part."""
    said = f'{len(plain)} bytes, {len(run)}'
    if plain == run:
        return said
    at = next((i for i, (a, b) in enumerate(zip(plain, run)) if a != b), min(len(plain), len(run)))
    return f'{said}; from {at}: {plain[at:at + 40]!r}, {run[at:at + 40]!r}'


def compare(tests, stage, name, command, memory, stdin=None, outputs=(), options=(), budgets=4):
    """Run it both ways and check everything."""
    name = f'{name}_{user_name(stage.uid)}'
    plain = run_plain(stage, command, stdin=stdin, seconds=LIMIT)
    plain_files = read_all(stage, outputs)
    run = run_quire(stage, command, memory, options, stdin=stdin, seconds=LIMIT)
    files = read_all(stage, outputs)
    if not tests.check(run.status == plain.status, f'{name}_same_status', f'{plain.status}, {run.status}'):
        sys.stdout.write(run.err.decode(errors='replace')[-2000:])
    tests.check(run.out == plain.out, f'{name}_same_output', first_difference(plain.out, run.out))
    tests.check(run.err == plain.err, f'{name}_same_errors', run.err.decode(errors='replace')[:300].strip())
    for output in outputs:
        tests.check(files[output] is not None and files[output] == plain_files[output],
                    f'{name}_same_file_{output}')
    check_residency(tests, name, run, memory, budgets)
    print_row(name, plain, run)
    return run


def python(tests, stage):
    """python3 builds dicts and lists."""
    compare(tests, stage, 'python', [PYTHON, write(stage, 'people.py', inputs.PYTHON), str(700_000 if FULL else 100_000)], budget(12))


def write(stage, name, text):
    with open(stage.path(name), 'w', encoding='ascii') as file:
        file.write(text)
    return stage.path(name)


def fork(tests, stage):
    """Children and grandchildren, with exec and without."""
    compare(tests, stage, 'fork', [PYTHON, write(stage, 'fork.py', inputs.FORK), '9000'], 9 * MB_BUDGET)


def calls(tests, stage):
    """System calls whose buffers are not resident: no EFAULT, and no short count."""
    compare(tests, stage, 'calls', [PYTHON, write(stage, 'calls.py', inputs.CALLS), '32'], 12 * MB_BUDGET)


def sort(tests, stage):
    """GNU sort with two threads."""
    inputs.words(stage.path('words'), (200 if FULL else 38) * inputs.MB)
    size = '300M' if FULL else '57M'
    compare(tests, stage, 'sort', ['sort', '-S', size, '--parallel=2', '-T', stage.folder,
                                   stage.path('words')], budget(7), budgets=3 if FULL else 4)


def sqlite(tests, stage):
    """sqlite3 with a database in memory, an index and joins."""
    rows = 430_000 if FULL else 100_000
    inputs.sqlite(stage.path('statements'), rows, rows // 10)
    compare(tests, stage, 'sqlite', ['sqlite3', ':memory:'], budget(14), stdin=stage.path('statements'))


def cc1(tests, stage):
    """The C compiler, which gcc starts as a child of its own."""
    inputs.c_source(stage.path('big.c'), 5 * inputs.MB if FULL else inputs.MB)
    compare(tests, stage, 'cc1', ['gcc', '-S', '-o', 'big.s', 'big.c'], budget(24), outputs=['big.s'])


def xz(tests, stage):
    """xz at its hungriest."""
    inputs.drifting(stage.path('text'), (100 if FULL else 8) * inputs.MB)
    compare(tests, stage, 'xz', ['xz', '-9', '-T1', '-c', 'text'], budget(16))


def install_checksum(stage):
    """Our own program of threads that write and check at once, where the user may run it."""
    program = stage.path('checksum')
    with open(os.path.join(TOOLS, 'checksum'), 'rb') as source, open(program, 'wb') as target:
        target.write(source.read())
    os.chmod(program, 0o755)
    return program


def checksum(tests, stage):
    """Our own program."""
    arguments = ['512', '6', '8', '42'] if FULL else ['96', '4', '4', '42']
    compare(tests, stage, 'checksum', [install_checksum(stage), *arguments], budget(16))


def faults(tests, stage):
    """The same with faults resolved in either place, and with every policy."""
    command = [install_checksum(stage), '64', '3', '4', '7']
    for mode in ['inline', 'thread'] if stage.uid == 0 else ['inline']:
        run = compare(tests, stage, f'faults_{mode}', command, 8 * MB_BUDGET, options=('--faults', mode))
        if run.report:
            tests.check(run.report['faults_mode'] == mode, f'faults_{mode}_is_what_the_report_says')
    for policy in ['clock', 'lru']:
        compare(tests, stage, f'policy_{policy}', command, 8 * MB_BUDGET, options=('--policy', policy))


def redis_scenario(tests, stage):
    """redis-server under load, with a background save."""
    redis.scenario(tests, stage, budget(24), 500_000 if FULL else 200_000, check_residency, LIMIT)


SCENARIOS = {'python': python, 'fork': fork, 'calls': calls, 'faults': faults, 'sort': sort, 'sqlite': sqlite, 'cc1': cc1, 'xz': xz,
             'checksum': checksum, 'redis': redis_scenario, 'errors': errors.scenario}


def main():
    global TOOLS
    quire, TOOLS, names = sys.argv[1], sys.argv[2], sys.argv[3:]
    tests = Tests()
    end_with_children()
    for name in names:
        for uid in users():
            with Stage(uid, quire) as stage:
                SCENARIOS[name](tests, stage)
    tests.end()


if __name__ == '__main__':
    main()
