#!/usr/bin/env python3
"""Build and run every test: what `make check' does.

usage: check.py [--build NAME]... [--test PATTERN]...

Four builds, one after the other (scripts/build.sh says what each is):

    release  every test
    clang    the suites unit, conform and quick
    asan     the suite asan
    tsan     the suite tsan

A test program prints a last line `N passed, N failed[, N skipped]'.  The lines
of all programs of all builds are added up to the one line that this ends with.
A program that ends without one, or badly although nothing failed in it, is one
failure more.  Status 1: something failed, or nothing ran.
"""
import argparse
import fnmatch
import glob
import json
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CLOSING = re.compile(r'^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$', re.M)
FAILED = re.compile(r'^(?:\S+: )?(?:failed: .*|.* FAILED.*)$', re.M)      # a check, a test
LAST_WORDS = 8               # lines of a failed program's complaints that are repeated in the end
SKIP_STATUS = 77             # of a whole program, as Meson has it

# name, suites (None: all), how much slower a test may be
BUILDS = [
    ('release', None, 1),
    ('clang', {'unit', 'conform', 'quick'}, 1),
    ('asan', {'asan'}, 4),
    ('tsan', {'tsan'}, 8),
]
BLIND = """\
Where the sanitizers cannot see (CAVEATS.md, "Sanitizers"):
  the agent inside a foreign program, and `quire run' as a whole (suite programs: release build only);
  a page that is moved in or out under a pointer: contents come and go without a store that
  ASan or TSan instruments; assembly (trampolines, signal return) and the kernel's own accesses;
  TSan delays signals to system calls, so faults resolved in the faulting thread run under ASan only.
"""


def say(text):
    print(text, flush=True)


def sanitizer_wrapper():
    """ASan and TSan want the addresses that they were built for."""
    command = ['setarch', os.uname().machine, '-R']
    try:
        if subprocess.run(command + ['true'], stderr=subprocess.DEVNULL).returncode == 0:
            return ' '.join(command)
    except OSError:
        pass
    return None


def introspect(folder, what):
    with open(os.path.join(folder, 'meson-info', f'intro-{what}.json'), encoding='utf-8') as file:
        return json.load(file)


def chosen_tests(folder, suites, patterns):
    """The tests of this build that are wanted, as Meson's introspection has them."""
    chosen = []
    for test in introspect(folder, 'tests'):
        have = {suite.split(':')[-1] for suite in test['suite']}
        if suites is not None and not have & suites:
            continue
        if patterns and not any(fnmatch.fnmatch(test['name'], p) for p in patterns):
            continue
        chosen.append(test)
    return chosen


def build(name, suites, patterns):
    """Configure, then build all of it or what the tests need.  None: it failed."""
    folder = os.path.join(ROOT, 'build', name)
    script = os.path.join(ROOT, 'scripts', 'build.sh')
    # With a target of its own name first, ninja configures anew where a meson.build changed.
    if subprocess.run([script, name, 'build.ninja'], stdin=subprocess.DEVNULL).returncode:
        return None
    tests = chosen_tests(folder, suites, patterns)
    targets = []
    if name not in ('release', 'clang'):
        files = {target['id']: target['filename'] for target in introspect(folder, 'targets')}
        needed = {target for test in tests for target in test['depends']}
        targets = sorted(os.path.relpath(path, folder) for target in needed
                         for path in files.get(target, []))
        if not targets:
            return tests
    if subprocess.run([script, name] + targets, stdin=subprocess.DEVNULL).returncode:
        return None
    return tests


def run_tests(name, tests, multiplier):
    """Run them through Meson; the records of its log."""
    folder = os.path.join(ROOT, 'build', name)
    logs = os.path.join(folder, 'meson-logs', 'testlog*.json')     # named after the wrapper, too
    command = ['meson', 'test', '-C', folder, '--no-rebuild', '--num-processes', '2',
               '--print-errorlogs', '--timeout-multiplier', str(multiplier)]
    environment = dict(os.environ, LC_ALL='C.UTF-8')
    if name in ('asan', 'tsan'):
        wrapper = sanitizer_wrapper()
        if wrapper:
            command += ['--wrap', wrapper]
        environment.setdefault('ASAN_OPTIONS', 'detect_stack_use_after_return=0')
        environment.setdefault('UBSAN_OPTIONS', 'print_stacktrace=1')
        environment.setdefault('TSAN_OPTIONS', 'halt_on_error=1')
    for log in glob.glob(logs):
        os.remove(log)
    # Meson numbers and prints each test as it ends, and the output of what failed;
    # its summary is left out for ours.
    command += sorted({test['name'] for test in tests})
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, errors='replace') as meson:
        wanted = True
        for line in meson.stdout:
            wanted = wanted and not re.match(r'Ok: +\d|Summary of Failures:', line)
            if wanted and line.strip():
                say(line.rstrip())
    records = []
    for log in glob.glob(logs):
        with open(log, encoding='utf-8', errors='replace') as file:
            records += [json.loads(line) for line in file if line.strip()]
    return records


def judge(record):
    """(passed, failed, skipped, what is wrong or None) of one program's record."""
    output = (record.get('stdout') or '') + (record.get('stderr') or '')
    lines = CLOSING.findall(output)
    status = record.get('returncode')
    if status == SKIP_STATUS and not lines:
        return 0, 0, 1, None
    if not lines:
        return 0, 1, 0, f'ended without a closing line ({record["result"].lower()}, status {status})'
    passed, failed, skipped = (int(word or 0) for word in lines[-1])
    if failed:
        said = FAILED.findall(output)[:5]
        last = (record.get('stderr') or '').splitlines()[-LAST_WORDS:]
        said += [line for line in last if line not in said]
        return passed, failed, skipped, '\n    '.join([f'{failed} failed'] + said)
    if status != 0:
        return passed, 1, skipped, f'status {status} although nothing failed in it'
    if passed + skipped == 0:
        return 0, 1, 0, 'ran nothing'
    return passed, 0, skipped, None


def skips(record):
    """Why a program skipped what it skipped."""
    output = record.get('stdout') or ''
    return [re.sub(r' \([0-9.]+ s\)$', '', line.split(' skipped: ', 1)[1].strip())
            for line in output.splitlines() if ' skipped: ' in line]


def table(record):
    """The table of sizes that the style test prints."""
    lines = (record.get('stdout') or '').splitlines()
    last = [i for i, line in enumerate(lines) if line.startswith('core/: ')]
    return '\n'.join(lines[:last[0] + 1]) if last else ''


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.wrong, self.left_out, self.table = [], {}, ''

    def add(self, passed, failed, skipped):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped

    def add_records(self, name, tests, records):
        seen = set()
        for record in records:
            short = record['name'].split(' / ')[-1]
            seen.add(short)
            passed, failed, skipped, problem = judge(record)
            self.add(passed, failed, skipped)
            if problem:
                self.wrong.append(f'{name}: {record["name"]}: {problem}')
            if short == 'style':
                self.table = table(record)
            for reason in skips(record):
                self.left_out.setdefault(reason, []).append(short)
        for test in tests:
            if test['name'] not in seen:
                self.add(0, 1, 0)
                self.wrong.append(f'{name}: {test["name"]}: did not run')

    def closing_line(self):
        line = f'{self.passed} passed, {self.failed} failed'
        return line + (f', {self.skipped} skipped' if self.skipped else '')


def check(builds, patterns):
    tally = Tally()
    start = time.monotonic()
    for name, suites, multiplier in BUILDS:
        if builds and name not in builds:
            continue
        say(f'== {name}: building ({time.monotonic() - start:.0f} s since the start)')
        tests = build(name, suites, patterns)
        if tests is None:
            tally.add(0, 1, 0)
            tally.wrong.append(f'{name}: does not build')
            continue
        if not tests:
            continue
        say(f'== {name}: {len(tests)} test programs ({time.monotonic() - start:.0f} s)')
        tally.add_records(name, tests, run_tests(name, tests, multiplier))
    say(f'== done in {time.monotonic() - start:.0f} s')
    if tally.table:
        say(tally.table)
    if not builds:
        say(BLIND)
    if tally.left_out:
        say('Skipped:')
        for reason, programs in tally.left_out.items():
            say(f'  {len(programs)} in {", ".join(sorted(set(programs)))}: {reason}')
    if tally.wrong:
        say('Failed:\n  ' + '\n  '.join(tally.wrong))
    say(tally.closing_line())
    return 1 if tally.failed or tally.passed == 0 else 0


def main():
    parser = argparse.ArgumentParser(description='Build and run every test.')
    parser.add_argument('--build', action='append', choices=[name for name, *_ in BUILDS],
                        help='only this build (may be repeated)')
    parser.add_argument('--test', action='append', help='only tests of this name (a pattern)')
    arguments = parser.parse_args()
    sys.exit(check(arguments.build, arguments.test))


if __name__ == '__main__':
    main()
