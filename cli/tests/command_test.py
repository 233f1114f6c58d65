#!/usr/bin/env python3
"""The quire command as its users meet it: what it refuses, with which status and
in which one line; and that a program's status, signals and output pass through.

command_test.py QUIRE STATIC_PROGRAM [-- TEST...]"""
import csv
import json
import os
import pty
import re
import select
import shutil
import signal
import stat
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

import harness
from harness import Skip, equal

for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
    signal.signal(number, signal.SIG_DFL)          # whoever started us may ignore it

QUIRE, STATIC = (os.path.abspath(path) for path in sys.argv[1:3])
ROOT = os.geteuid() == 0
NOBODY = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups']
PATIENCE = 60                          # seconds; a test that waits that long has failed


def quire(*words, before=(), **options):
    return subprocess.run([*before, QUIRE, *words], capture_output=True, text=True,
                          timeout=PATIENCE, **options)


def refused(status, pattern, *words, **options):
    """One line on standard error, nothing on standard output, this status."""
    done = quire(*words, **options)
    what = ' '.join(words)
    equal((done.returncode, done.stdout), (status, ''), what)
    assert re.fullmatch(r'quire: [^\n]+\n', done.stderr), f'{what}: {done.stderr!r}'
    assert re.search(pattern, done.stderr), f'{what}: {done.stderr!r} is not about {pattern!r}'


def make_executable(path, contents):
    with open(path, 'wb') as file:
        file.write(contents)
    os.chmod(path, 0o755)
    return path


def true_with(folder, name, change):
    """A copy of a small program with its bytes changed."""
    with open(shutil.which('true'), 'rb') as file:
        data = bytearray(file.read())
    change(data)
    return make_executable(f'{folder}/{name}', bytes(data))


# ------------------------------------------------------------ commands, options

def test_help(folder):
    for words in (['--help'], ['-h'], ['help'], ['help', 'run'], ['run', '--help'],
                  ['run', '-h'], ['help', 'probe'], ['probe', '--help']):
        done = quire(*words)
        equal((done.returncode, done.stderr), (0, ''), words)
        assert done.stdout.startswith('usage: quire '), words
        for line in done.stdout.splitlines():
            assert len(line) <= 80, line
    equal(quire('--version').stdout.split()[0], 'quire')
    equal(quire().returncode, 2)


def test_unknown_commands(folder):
    refused(2, "did you mean 'quire run'", 'rnu')
    refused(2, "did you mean 'quire probe'", 'prob')
    refused(2, "'quire run -- gzip'", 'gzip')
    refused(2, 'unknown option --memory', '--memory', '4G')
    refused(2, 'unknown command', 'help', 'gzip')
    refused(2, "takes no 'x'", 'probe', 'x')


def test_bad_options(folder):
    refused(2, 'no program', 'run')
    refused(2, 'no program', 'run', '--')
    refused(2, 'no program', 'run', '--memory', '64M')
    refused(2, 'did you mean --memory', 'run', '--memroy', '64M', '--', 'true')
    refused(2, 'unknown option -x', 'run', '-x', '--', 'true')
    refused(2, '--memory wants a size', 'run', '--memory', '--', 'true')
    refused(2, '--memory wants a size', 'run', '--memory')
    refused(2, '--help takes no value', 'run', '--help=1', 'true')
    refused(2, "--policy 'fifo' is unknown; there are: 2q, clock, lru", 'run', '--policy', 'fifo',
            'true')
    refused(2, 'auto, inline, thread', 'run', '--faults', 'often', 'true')
    for value in ('xml', '', 'text=', 'json=', 'jsonx', 'text:file'):
        refused(2, '--report wants text, json', 'run', f'--report={value}', 'true')
    for value in ('a.jpg', 'png', '', 'a.png.gz'):
        refused(2, '.png or .svg', 'run', f'--heatmap={value}', 'true')
    refused(2, '--trace wants a file', 'run', '--trace=', 'true')


def test_bad_sizes(folder):
    for value in ('', '64Q', '-1', 'lots', '1.5', '64 M', '99999999999T'):
        refused(2, 'is not a size', 'run', f'--memory={value}', '--', 'true')
        refused(2, 'is not a size', 'run', '--pagefile-size', value, '--', 'true')
    refused(2, 'the most is 64 TiB', 'run', '--memory', '65T', 'true')
    refused(2, 'not even one page', 'run', '--pagefile-size', '4095', 'true')


def test_budget_too_small_says_the_least(folder):
    for value in ('0', '4K', '100K'):
        refused(2, 'memory: .* the least is [0-9]+ [KM]iB', 'run', '--memory', value, 'true')
    line = quire('run', '--memory', '4K', 'true').stderr
    number, unit = re.search(r'([0-9]+) ([KM]iB)$', line).groups()
    equal(quire('run', '--memory', number + unit, '--', 'echo', '5').stdout, '5\n')
    refused(2, 'the least is', 'run', '--memory', str(int(number) - 4) + unit, 'true')


# ----------------------------------------------------------------- the program

def test_program_is_not_there(folder):
    refused(127, 'not found in PATH', 'run', '--', 'no-such-program')
    refused(127, 'No such file', 'run', '--', f'{folder}/nothing')
    refused(127, 'not found in PATH', 'run', '--', 'true', env={'PATH': folder})
    os.mkdir(f'{folder}/closed', 0)
    refused(127, 'not found in PATH', 'run', '--', 'no-such-program',
            env={'PATH': f'{folder}/closed:/bin'}, before=NOBODY if ROOT else [])
    script = make_executable(f'{folder}/script', b'#!/usr/bin/env no-such-program\n')
    refused(127, 'no-such-program is not found', 'run', '--', script)


def test_program_can_not_be_executed(folder):
    with open(f'{folder}/plain', 'w', encoding='ascii') as file:
        file.write('not executable\n')
    refused(126, 'Permission denied', 'run', '--', f'{folder}/plain')
    refused(126, 'Permission denied', 'run', '--', 'plain', env={'PATH': folder})
    refused(126, 'Is a directory', 'run', '--', folder)
    refused(127, 'interpreter /no/such', 'run', '--',
            make_executable(f'{folder}/script', b'#! /no/such\n'))
    refused(126, 'damaged', 'run', '--', make_executable(f'{folder}/short', b'\x7fELF\2\1\1'))
    loop = f'{folder}/loop'
    refused(126, 'Too many levels', 'run', '--', make_executable(loop, f'#!{loop}\n'.encode()))


def test_program_that_quire_can_not_manage(folder):
    refused(2, 'statically linked', 'run', '--', STATIC)
    refused(2, 'statically linked', 'run', '--',
            make_executable(f'{folder}/script', f'#!{STATIC} x\n'.encode()))

    def to_32_bit(data):
        data[4], data[18:20] = 1, (3).to_bytes(2, 'little')
    refused(2, 'not a 64-bit x86 program', 'run', '--', true_with(folder, 'i386', to_32_bit))

    def to_arm(data):
        data[18:20] = (183).to_bytes(2, 'little')
    refused(2, 'not a 64-bit x86 program', 'run', '--', true_with(folder, 'arm', to_arm))

    def to_musl(data):
        at = data.index(b'/lib64/ld-linux-x86-64.so.2\0')
        data[at:at + 28] = b'/lib/ld-musl-x86_64.so.1\0\0\0\0'
    refused(2, 'another C library', 'run', '--', true_with(folder, 'musl', to_musl))


def test_program_with_rights_of_its_own(folder):
    if not ROOT:
        raise Skip('only root can make a set-uid program of another user')
    program = shutil.copy(shutil.which('true'), f'{folder}/true')
    os.chown(program, 65534, 0)
    os.chmod(program, 0o4755)
    refused(2, 'set-uid', 'run', '--', program)
    os.chown(program, 0, 65534)
    os.chmod(program, 0o2755)
    refused(2, 'set-gid', 'run', '--', program)
    # Its own rights are nobody else's.
    os.chown(program, 0, 0)
    os.chmod(program, 0o6755)
    equal(quire('run', '--', program).returncode, 0)


def test_program_through_scripts(folder):
    script = make_executable(f'{folder}/script', b'#!/bin/sh\necho "$0" "$1"; exit 3\n')
    done = quire('run', '--', script, 'x')
    equal((done.returncode, done.stdout, done.stderr), (3, f'{script} x\n', ''))
    done = quire('run', 'script', 'y', env={**os.environ, 'PATH': folder + ':/usr/bin:/bin'})
    equal((done.returncode, done.stdout), (3, f'{script} y\n'))
    script = make_executable(f'{folder}/plain', b'exit 4\n')        # no #!: the shell's
    equal(quire('run', script).returncode, 4)


# ------------------------------------------------------- pagefile and outputs

def test_pagefile_that_can_not_be(folder):
    refused(2, 'No such file', 'run', '--pagefile', f'{folder}/no/where', 'true')
    refused(2, 'No such file', 'run', '--pagefile', f'{folder}/no/', 'true')
    refused(2, 'neither a file nor a directory', 'run', '--pagefile', '/dev/null', 'true')
    refused(2, 'wants a file or a directory', 'run', '--pagefile=', 'true')
    refused(2, 'No such file', 'run', '--', 'true',
            env={**os.environ, 'TMPDIR': f'{folder}/nothing'})
    with open(f'{folder}/data', 'w', encoding='ascii') as file:
        file.write('precious\n')
    refused(2, 'is not empty', 'run', '--pagefile', f'{folder}/data', 'true')
    with open(f'{folder}/data', encoding='ascii') as file:
        equal(file.read(), 'precious\n')


def test_pagefile_directory_without_permission(folder):
    os.chmod(folder, 0o555)
    refused(2, 'Permission denied', 'run', '--pagefile', folder, 'true',
            before=NOBODY if ROOT else [])
    os.chmod(folder, 0o777)


def test_pagefile_directory_that_is_full(folder):
    if not ROOT or subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'quire-test', folder],
                                  stderr=subprocess.DEVNULL, check=False).returncode:
        raise Skip('mounting a small file system is not allowed here')
    try:
        refused(2, 'no space', 'run', '--pagefile', folder, 'true')
        refused(2, 'no space', 'run', '--pagefile', f'{folder}/file', 'true')
        equal(os.listdir(folder), [])
    finally:
        subprocess.run(['umount', folder], check=True)


def test_pagefile_leaves_nothing(folder):
    equal(quire('run', '--pagefile', folder, 'true').returncode, 0)
    equal(quire('run', '--pagefile', f'{folder}/new', 'true').returncode, 0)
    equal(os.listdir(folder), [])
    with open(f'{folder}/kept', 'w', encoding='ascii'):
        pass
    equal(quire('run', '--pagefile', f'{folder}/kept', 'true').returncode, 0)
    equal(os.stat(f'{folder}/kept').st_size, 0)


def test_outputs_that_can_not_be(folder):
    for option in ('--report=json={}', '--report=text={}', '--heatmap={}', '--trace={}'):
        path = f'{folder}/no/where.png'
        refused(2, f'{path}: No such file', 'run', option.format(path), 'true')
    os.mkdir(f'{folder}/d.svg')
    refused(2, 'Is a directory', 'run', '--heatmap', f'{folder}/d.svg', 'true')


def test_outputs_are_kept_where_nothing_runs(folder):
    with open(f'{folder}/old.json', 'w', encoding='ascii') as file:
        file.write('old\n')
    refused(2, 'No such file', 'run', f'--report=json={folder}/old.json',
            f'--trace={folder}/new.csv', f'--heatmap={folder}/no/x.png', 'true')
    refused(127, 'not found', 'run', f'--report=json={folder}/old.json', 'no-such-program')
    equal(os.listdir(folder), ['old.json'])
    with open(f'{folder}/old.json', encoding='ascii') as file:
        equal(file.read(), 'old\n')


# --------------------------------------------------- what passes through a run

def test_status_passes_through(folder):
    for status in (0, 1, 7, 126, 127, 255):
        equal(quire('run', '--', 'sh', '-c', f'exit {status}').returncode, status)


def test_signals_that_kill_pass_through(folder):
    for name in ('TERM', 'INT', 'HUP', 'SEGV', 'ABRT', 'KILL', 'USR1'):
        done = quire('run', '--', 'sh', '-c', f'kill -{name} $$')
        equal(done.returncode, -getattr(signal, 'SIG' + name), name)
        shown = subprocess.run(['sh', '-c', f'"{QUIRE}" run -- sh -c "kill -{name} \\$\\$"; exit $?'],
                               stderr=subprocess.DEVNULL, check=False).returncode
        equal(shown, 128 + getattr(signal, 'SIG' + name), f'{name} as a shell shows it')


def test_output_is_untouched(folder):
    done = quire('run', '--', 'sh', '-c', 'cat; echo error >&2', input='in\n')
    equal((done.returncode, done.stdout, done.stderr), (0, 'in\n', 'error\n'))


def test_arguments_and_environment(folder):
    done = quire('run', '--', 'printf', '%s|', 'a b', '', '--memory', '$x')
    equal(done.stdout, 'a b||--memory|$x|')
    done = quire('run', '--', 'sh', '-c', 'echo "$VALUE"', env={**os.environ, 'VALUE': 'kept'})
    equal(done.stdout, 'kept\n')


SHOW_SIGNALS = ['grep', '-E', '^Sig(Ign|Blk)', '/proc/self/status']


def test_signal_state_is_inherited(folder):
    def prepare():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, signal.SIGTERM])
    plain = subprocess.run(SHOW_SIGNALS, capture_output=True, text=True, preexec_fn=prepare,
                           check=False)
    equal(quire('run', '--', *SHOW_SIGNALS, preexec_fn=prepare).stdout, plain.stdout)


CATCH = '''
import os, signal, sys, time
def caught(number, frame):
    print(f'caught {number}', flush=True)
    os._exit(40)
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGINT, signal.SIGWINCH):
    signal.signal(number, caught)
print('ready', os.getpid(), flush=True)
while True:
    time.sleep(0.05)            # (pause() would miss a signal that comes just before it)
'''


def start_catcher(*options, **more):
    process = subprocess.Popen([QUIRE, 'run', *options, '--', sys.executable, '-c', CATCH],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)
    word, pid = process.stdout.readline().split()
    equal(word, 'ready')
    return process, int(pid)


def test_signals_to_the_command_are_passed_on(folder):
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGINT, signal.SIGWINCH):
        process, _ = start_catcher()
        process.send_signal(number)
        out, error = process.communicate(timeout=PATIENCE)
        equal((process.returncode, out, error), (40, f'caught {int(number)}\n', ''))


def gone(pid):
    """Ended, if perhaps not waited for: nobody here can wait for it."""
    try:
        with open(f'/proc/{pid}/stat', encoding='utf-8') as file:
            return file.read().rpartition(')')[2].split()[0] in 'ZX'
    except FileNotFoundError:
        return True


def test_killing_the_command_kills_the_program(folder):
    process, pid = start_catcher()
    process.kill()
    process.communicate(timeout=PATIENCE)
    end = time.monotonic() + PATIENCE
    while not gone(pid):
        assert time.monotonic() < end, f'{pid} is still there'
        time.sleep(0.01)


class Terminal:
    """A program in the foreground of a new terminal."""

    def __init__(self, *words):
        self.text = b''
        self.pid, self.file = pty.fork()
        if self.pid == 0:
            try:
                os.execv(words[0], words)
            finally:
                os._exit(99)

    def read_until(self, word):
        """What came up to the end of the word; what came after it stays."""
        end = time.monotonic() + PATIENCE
        while word not in self.text:
            if not select.select([self.file], [], [], end - time.monotonic())[0]:
                raise AssertionError(f'{word!r} did not come in time in {self.text!r}')
            self.text += os.read(self.file, 4096)
        at = self.text.index(word) + len(word)
        before, self.text = self.text[:at], self.text[at:]
        return before

    def type(self, keys):
        os.write(self.file, keys)

    def wait(self):
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.file)
        return status


def test_interrupt_of_the_terminal(folder):
    """^C reaches the program once, and the command stays to report."""
    terminal = Terminal(QUIRE, 'run', '--report', 'text', '--', sys.executable, '-c', CATCH)
    terminal.read_until(b'ready')
    terminal.type(b'\x03')
    text = terminal.read_until(b'after ')
    equal(text.count(b'caught 2'), 1, text)
    equal(terminal.wait(), 40)


# A small shell with job control: runs its arguments as a job in the foreground,
# says how the job stopped, brings it back, and says how it ended.
SHELL = '''
import os, signal, sys, time
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
job = os.fork()
if job == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])
status = os.waitpid(job, os.WUNTRACED)[1]
os.tcsetpgrp(0, os.getpid())
print('stopped by', os.WSTOPSIG(status) if os.WIFSTOPPED(status) else None, flush=True)
os.tcsetpgrp(0, job)
os.killpg(job, signal.SIGCONT)
print('continued', flush=True)
status = os.waitpid(job, 0)[1]
print('ended with', os.waitstatus_to_exitcode(status), flush=True)
'''


def test_job_control(folder):
    """^Z stops the program and the command, `fg' continues both, ^C reaches it."""
    terminal = Terminal(sys.executable, '-c', SHELL, QUIRE, 'run', '--', sys.executable, '-c',
                        CATCH)
    program = int(terminal.read_until(b'\n').split()[1])
    terminal.type(b'\x1a')
    terminal.read_until(f'stopped by {int(signal.SIGTSTP)}'.encode())
    terminal.read_until(b'continued')
    terminal.type(b'\x03')
    text = terminal.read_until(b'ended with 40')
    equal(text.count(b'caught 2'), 1, text)
    terminal.wait()
    assert gone(program)


# ------------------------------------------------------------------- reporting

def test_nothing_is_printed_unasked(folder):
    done = quire('run', '--memory', '64M', '--', 'true')
    equal((done.returncode, done.stdout, done.stderr), (0, '', ''))


def test_report_to_files(folder):
    done = quire('run', f'--report=json={folder}/r.json', f'--report=text={folder}/r.txt', '--',
                 'sh', '-c', 'echo out; kill -TERM $$')
    equal((done.returncode, done.stdout, done.stderr), (-signal.SIGTERM, 'out\n', ''))
    with open(f'{folder}/r.json', encoding='utf-8') as file:
        report = json.load(file)
    equal((report['status'], report['signal']), (None, int(signal.SIGTERM)))
    with open(f'{folder}/r.txt', encoding='utf-8') as file:
        assert 'killed by SIGTERM' in file.read()


def test_report_to_standard_error(folder):
    done = quire('run', '--report', 'text', 'sh', '-c', 'exit 5')
    equal((done.returncode, done.stdout), (5, ''))
    assert re.search(r'^quire: sh -c exit 5: status 5 after ', done.stderr, re.M), done.stderr
    done = quire('run', '--report', 'json', 'true')
    equal(json.loads(done.stderr)['status'], 0)


def test_report_after_the_programs_output(folder):
    """/dev/stdout that is a file: the report follows, and nothing is cut off."""
    path = f'{folder}/all'
    with open(path, 'w', encoding='utf-8') as file:
        subprocess.run([QUIRE, 'run', '--report=json=/dev/stdout', '--', 'echo', 'hello'],
                       stdout=file, check=True, timeout=PATIENCE)
    with open(path, encoding='utf-8') as file:
        equal(file.readline(), 'hello\n')
        equal(json.load(file)['status'], 0)


def test_shared_files_are_removed(folder):
    equal(quire('run', '--report=json=/dev/null', f'--trace={folder}/t.csv', 'true',
                env={**os.environ, 'XDG_RUNTIME_DIR': folder}).returncode, 0)
    equal(os.listdir(folder), ['t.csv'])
    equal(stat.S_IMODE(os.stat(f'{folder}/t.csv').st_mode) & 0o111, 0)


def test_files_of_a_killed_command_are_swept(folder):
    """The next command removes them, and lets those in use be."""
    home = {**os.environ, 'XDG_RUNTIME_DIR': folder}
    killed, _ = start_catcher(f'--report=json={folder}/r.json', env=home)
    killed.kill()
    killed.communicate(timeout=PATIENCE)
    left, = [n for n in os.listdir(folder) if n.startswith('quire-run-')]
    in_use, _ = start_catcher(f'--report=json={folder}/s.json', env=home)
    both = [n for n in os.listdir(folder) if n.startswith('quire-run-')]
    equal(len(both), 2)
    for name in both:                   # (younger ones might not be locked yet)
        os.utime(f'{folder}/{name}', (0, 0))
    equal(quire('run', '--report=json=/dev/null', 'true', env=home).returncode, 0)
    names = [n for n in os.listdir(folder) if n.startswith('quire-run-')]
    assert left not in names and len(names) == 1, names
    in_use.terminate()
    in_use.communicate(timeout=PATIENCE)


# ------------------------------------------------ a program that does not fit

GREEDY = '''
import os, signal, sys
noise = os.urandom(1 << 20)
data = [noise[i:] + noise[:i] for i in range(40)]           # 40 MiB, none alike
print(sum(block[i] for block in data for i in range(0, 1 << 20, 4096)) > 0, flush=True)
if sys.argv[1:] == ['fork']:
    if os.fork() == 0:
        os._exit(data[0][0] != noise[0])
    sys.exit(os.wait()[1])
if sys.argv[1:] == ['die']:
    os.kill(os.getpid(), signal.SIGKILL)
'''


def run_greedy(folder, *words, options=(), **more):
    """The JSON report of it in 16 MiB."""
    done = quire('run', '-m', '16M', f'--report=json={folder}/r.json', '--pagefile', folder,
                 *options, '--', sys.executable, '-c', GREEDY, *words, **more)
    equal((done.stdout, done.stderr), ('True\n', ''))
    with open(f'{folder}/r.json', encoding='utf-8') as file:
        return done.returncode, json.load(file)


def process_of(report):
    """The Python process; its name may be that of a script that found it."""
    return max(report['processes'], key=lambda p: p['memory']['virtual_peak'])


def test_report_of_a_program_that_does_not_fit(folder):
    for faults in ('inline', 'thread'):
        status, report = run_greedy(folder, options=['--faults', faults])
        equal((status, report['status'], report['faults_mode']), (0, 0, faults))
        memory = report['memory']
        assert memory['virtual_peak'] > 40 << 20, memory
        assert 8 << 20 < memory['resident_peak'] <= 16 << 20, memory
        assert memory['managed_share'] > 0.9, memory
        came_back = report['faults']['tier'] + report['faults']['hard']
        assert came_back > 200, report['faults']
        assert report['paging']['bytes_out'] > 10 << 20, report['paging']
        latency = report['latency_ns']['all']
        assert 0 < latency['p50'] <= latency['p99'] <= latency['max'], latency
        assert 0 < report['stall_ns'] < 100 * report['run_ns'], report['stall_ns']


def test_forked_child_counts_for_itself(folder):
    status, report = run_greedy(folder, 'fork')
    equal(status, 0)
    parent = process_of(report)
    child, = [p for p in report['processes'] if p['parent'] == parent['pid']]
    equal((child['end'], child['end_value'], parent['forks']), ('exit', 0, 1))
    assert child['memory']['virtual_peak'] > 40 << 20, child['memory']
    assert 0 < child['faults']['hard'] < parent['faults']['hard'] / 2, (child, parent)
    for kind in ('zero', 'hard'):
        equal(report['faults'][kind], sum(p['faults'][kind] for p in report['processes']))


def test_report_of_a_killed_program(folder):
    status, report = run_greedy(folder, 'die')
    equal((status, report['signal']), (-signal.SIGKILL, int(signal.SIGKILL)))
    process = process_of(report)
    equal((process['end'], process['end_value']), ('unknown', None))
    assert process['faults']['zero'] > 200, process['faults']


def test_pictures_and_trace_of_a_program(folder):
    run_greedy(folder, options=[f'--heatmap={folder}/h.png', f'--trace={folder}/t.csv'])
    with open(f'{folder}/h.png', 'rb') as file:
        equal(file.read(8), b'\x89PNG\r\n\x1a\n')
    with open(f'{folder}/t.csv', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    pages = {kind: sum(int(r['pages']) for r in rows if r['event'] == kind)
             for kind in ('zero', 'evict', 'hard', 'write')}
    assert all(n > 1000 for n in pages.values()), pages
    run_greedy(folder, options=[f'--heatmap={folder}/h.svg', f'--trace={folder}/t.json'])
    root = xml.parse(f'{folder}/h.svg').getroot()
    words = [t.text for t in root.iter('{http://www.w3.org/2000/svg}text')]
    assert any(w.endswith(' in 16 MiB') for w in words), words
    with open(f'{folder}/t.json', encoding='utf-8') as file:
        names = {e['name'] for e in json.load(file)['traceEvents']}
    assert {'zero', 'evict', 'hard', 'write', 'process_name'} <= names, names


def test_pagefile_size_is_a_limit(folder):
    """What does not fit is refused as if memory were out; nothing else happens."""
    done = quire('run', '-m', '16M', '--pagefile-size', '8M', '--pagefile', folder, '--',
                 sys.executable, '-c',
                 'try:\n    x = [bytes([i]) * (1 << 20) for i in range(100)]\n'
                 'except MemoryError:\n    print("no memory")')
    equal((done.returncode, done.stdout, done.stderr), (0, 'no memory\n', ''))


# ----------------------------------------------------------------------- probe

def test_probe(folder):
    done = quire('probe')
    equal((done.returncode, done.stderr), (0, ''))
    assert '\033' not in done.stdout and 'userfaultfd' in done.stdout, done.stdout
    listed = json.loads(quire('probe', '--json').stdout)
    names = [a['name'] for a in listed['abilities']]
    assert 'userfaultfd' in names and len(names) == len(set(names)), names
    for ability in listed['abilities']:
        equal(set(ability), {'name', 'present', 'how', 'enable'})
        assert ability['present'] or ability['enable'], ability
    less = json.loads(quire('probe', '--json', env={**os.environ, 'QUIRE_DISABLE': 'move'}).stdout)
    equal([a['present'] for a in less['abilities'] if a['name'] == 'move'], [False])


if __name__ == '__main__':
    harness.run_all(harness.tests_of(sys.modules['__main__']))
