#!/usr/bin/env python3
"""Whole programs, plain and under `quire run', for the benchmark.

usage: programs.py fitting|full QUIRE WORK quick|full

Prints what bench/programs.c reads: see there.  Outputs of the two runs are
compared byte for byte; a difference is a failure, not a number.
"""
import filecmp
import json
import os
import re
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'tests', 'programs'))
import inputs  # noqa: E402
import under  # noqa: E402

MIB = 1 << 20


class Program:
    def __init__(self, name, command, stdin=None, needs=None):
        self.name, self.command, self.stdin = name, command, stdin
        self.needs = needs or command[0]


class Timing:
    """Runs programs in the work folder, where their output and reports lie too."""

    def __init__(self, quire, work, memory):
        self.quire, self.work, self.memory = os.path.abspath(quire), work, memory

    def path(self, name):
        return os.path.join(self.work, name)

    def run(self, program, words, out):
        """Nanoseconds and status."""
        environment = dict(under.clean_environment(), TMPDIR=self.work)
        with open(program.stdin or os.devnull, 'rb') as stdin, open(out, 'wb') as stdout, \
                open(self.path('stderr'), 'wb') as stderr:
            began = time.monotonic_ns()
            status = subprocess.call(words + program.command, stdin=stdin, stdout=stdout,
                                     stderr=stderr, env=environment, cwd=self.work)
            return time.monotonic_ns() - began, status

    def plain(self, program):
        return self.run(program, [], self.path('plain.out'))

    def under(self, program):
        return self.run(program, [self.quire, 'run', '--memory', str(self.memory), '--pagefile',
                                  self.work, '--report', f'json={self.path("report.json")}', '--'],
                        self.path('quire.out'))

    def last_words(self):
        with open(self.path('stderr'), encoding='utf-8', errors='replace') as file:
            lines = [line.strip() for line in file if line.strip()]
        return lines[-1][:100] if lines else ''

    def describe(self):
        """What the report says of memory, on one line."""
        with open(self.path('report.json'), encoding='utf-8') as file:
            memory = json.load(file)['memory']
        share = memory['managed_share']
        return (f'at most {memory["resident_peak"] / MIB:.1f} MiB resident'
                f' of {memory["virtual_peak"] / MIB:.0f}'
                + (f', {100 * share:.1f} % managed' if share is not None else ''))


def say(*words):
    print('\t'.join(str(word).replace('\t', ' ') for word in words), flush=True)


def measure(timing, program, rounds):
    """Interleaved rounds; every second one begins with Quire."""
    for number in range(rounds):
        sides = [timing.plain, timing.under]
        took = {}
        for side in sides if number % 2 == 0 else sides[::-1]:
            nanoseconds, status = side(program)
            took[side.__name__] = nanoseconds
            if status != 0:
                return say('failed', program.name,
                           f'{side.__name__}: status {status}: {timing.last_words()}')
        if not filecmp.cmp(timing.path('plain.out'), timing.path('quire.out'), shallow=False):
            return say('failed', program.name, 'the outputs differ')
        say('round', program.name, took['plain'], took['under'])
    return say('end', program.name, timing.describe())


def fitting(timing, quick):
    scale = 0.4 if quick else 1
    inputs.words(timing.path('words'), int(40 * inputs.MB * scale))
    inputs.drifting(timing.path('text'), int(8 * inputs.MB * scale))
    inputs.sqlite(timing.path('script'), int(150_000 * scale), int(150_000 * scale))
    with open(timing.path('dicts.py'), 'w', encoding='ascii') as file:
        file.write(inputs.PYTHON)
    # A shim in front of python3 would be measured too.
    python = '/usr/bin/python3' if os.path.exists('/usr/bin/python3') else sys.executable
    return [
        Program('python3, dicts and lists', [python, timing.path('dicts.py'),
                                             str(int(300_000 * scale))]),
        Program('sort -S 300M', ['sort', '-S', '300M', '--parallel=2'], timing.path('words')),
        Program('xz -6', ['xz', '-6', '-T1', '-c'], timing.path('text')),
        Program('sqlite3 in memory', ['sqlite3', ':memory:'], timing.path('script')),
    ]


def has(command):
    return any(os.access(os.path.join(folder, command), os.X_OK)
               for folder in os.environ.get('PATH', '/usr/bin:/bin').split(':'))


def run_fitting(quire, work, quick):
    timing = Timing(quire, work, 1 << 30)
    for program in fitting(timing, quick):
        if not has(program.needs) and not os.access(program.needs, os.X_OK):
            say('skipped', program.name, f'{program.needs} is not installed')
        else:
            measure(timing, program, 3 if quick else 5)


# What the tests of programs print of each: its times, and what was checked.
TIMES = re.compile(r'\s+(\w+): plain ([\d.]+) s, under quire ([\d.]+) s')
CHECK = re.compile(r'(\w+?): (ok|FAILED)(?: \((.*)\))?$')
KEPT = {'_residency_reported_within_budget': 'of the budget resident',
        '_share_is_managed': 'managed'}


def translate(out):
    """The lines of one scenario of the tests, as they come."""
    notes, failed = [], []
    for line in out:
        times, check = TIMES.match(line), CHECK.match(line)
        if check and check[2] == 'FAILED':
            failed.append(f'{check[1]} ({check[3] or ""})')
        elif check:
            notes += [f'{check[3]} {words}' for end, words in KEPT.items()
                      if check[1].endswith(end)]
        if not times:
            continue
        if failed:
            say('failed', times[1], '; '.join(failed)[:150])
        else:
            say('round', times[1], float(times[2]) * 1e9, float(times[3]) * 1e9)
            say('end', times[1], ', '.join(notes))
        notes, failed = [], []
    return failed


def run_full(quire, quick):
    """The scenarios of tests/programs at their full size, each by itself."""
    if quick:
        return say('skipped', 'all', '--quick')
    script = os.path.join(HERE, '..', 'tests', 'programs', 'programs.py')
    tools = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(quire))),
                         'tests', 'programs')
    for name in ['python', 'sort', 'sqlite', 'cc1', 'xz', 'checksum', 'redis']:
        with subprocess.Popen([sys.executable, '-B', script, os.path.abspath(quire), tools, name],
                              env=dict(os.environ, QUIRE_FULL='1'), text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL) as process:
            failed = translate(process.stdout)
        if process.returncode != 0:
            say('failed', name, '; '.join(failed)[:150] or f'status {process.returncode}')
    return None


def main():
    which, quire, work, size = sys.argv[1:5]
    if which == 'fitting':
        run_fitting(quire, work, size == 'quick')
    else:
        run_full(quire, size == 'quick')


if __name__ == '__main__':
    main()
