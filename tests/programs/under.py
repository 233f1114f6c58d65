"""Run a program plain and under `quire run', and look at it from outside.

A *stage* is a temporary folder owned by the user that the programs run as.  A
*run* is one execution: its output, its status, and for one under Quire its
report and what a sampler saw meanwhile in /proc.
"""
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time

NOBODY = 65534
FULL = bool(os.environ.get('QUIRE_FULL'))
MB_BUDGET = 1 << 20


def clean_environment():
    """The tests' environment without what test runners add."""
    keep = {name: value for name, value in os.environ.items()
            if name not in ('MALLOC_PERTURB_', 'LD_PRELOAD', 'QUIRE_DISABLE', 'PYTHONPATH')
            and not name.startswith('QUIRE_RUN_')}
    keep.update(LC_ALL='C.UTF-8', PYTHONHASHSEED='0', HOME='/',
                PATH='/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin')
    return keep


def users():
    """Who to run as: ourselves, and when that is root an ordinary user besides."""
    return [0, NOBODY] if os.geteuid() == 0 else [os.geteuid()]


def user_name(uid):
    return 'root' if uid == 0 else 'user'


class Tests:
    """Counts checks that have names; closing_line() is the last line to print."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def check(self, holds, name, detail=''):
        if holds:
            self.passed += 1
        else:
            self.failed += 1
        print(f'{name}: {"ok" if holds else "FAILED"}{" (" + detail + ")" if detail else ""}', flush=True)
        return bool(holds)

    def skip(self, name, why):
        self.skipped += 1
        print(f'{name} skipped: {why}', flush=True)

    def end(self):
        more = f', {self.skipped} skipped' if self.skipped else ''
        print(f'{self.passed} passed, {self.failed} failed{more}', flush=True)
        sys.exit(1 if self.failed or self.passed + self.skipped == 0 else 0)


STAGES = set()            # folders to remove


class Stage:
    """A folder that the user owns, and a quire command that the user can execute."""

    def __init__(self, uid, quire):
        self.uid = uid
        self.folder = tempfile.mkdtemp(prefix='quire-programs.')
        STAGES.add(self.folder)
        if os.geteuid() == 0:
            os.chown(self.folder, uid, uid)
        self.quire = os.path.abspath(quire)
        if not self.can_run([self.quire, '--help']):
            self.quire = self._copy()

    def can_run(self, command):
        try:
            return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  stdin=subprocess.DEVNULL, **self.identity()).returncode == 0
        except OSError:
            return False

    def _copy(self):
        """The build folder may lie where an ordinary user may not look."""
        build = os.path.dirname(os.path.dirname(self.quire))
        for name in ('cli/quire', 'run/libquire-agent.so'):
            target = os.path.join(self.folder, 'copy', name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(os.path.join(build, name), target)
        return os.path.join(self.folder, 'copy', 'cli', 'quire')

    def identity(self):
        """What subprocess wants to run something as the user."""
        if os.geteuid() == 0 and self.uid != 0:
            return {'user': self.uid, 'group': self.uid, 'extra_groups': []}
        return {}

    def path(self, name):
        return os.path.join(self.folder, name)

    def give(self, name):
        """Hand a file made by us to the user."""
        if os.geteuid() == 0:
            os.chown(self.path(name), self.uid, self.uid)

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        STAGES.discard(self.folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def children_of(pid):
    found = []
    try:
        for task in os.listdir(f'/proc/{pid}/task'):
            with open(f'/proc/{pid}/task/{task}/children', encoding='ascii') as file:
                found += [int(word) for word in file.read().split()]
    except (OSError, ValueError):
        pass
    return found


def descendants(pid):
    found, queue = [], [pid]
    while queue:
        more = children_of(queue.pop())
        found += more
        queue += more
    return found


def managed_resident(pid):
    """Bytes of the process's managed memory that lie in frames, as the kernel counts them: the
    pages of every mapping that is registered with userfaultfd, the pool's among them.
    None: the process is gone, or nothing of it is managed."""
    total, managed, anonymous = 0, False, 0
    try:
        with open(f'/proc/{pid}/smaps', encoding='utf-8', errors='replace') as file:
            for line in file:
                if line.startswith('Anonymous:'):
                    anonymous = int(line.split()[1]) * 1024
                elif line.startswith('VmFlags:') and ' um' in line:
                    total += anonymous
                    managed = True
    except (OSError, ValueError):
        return None
    return total if managed else None


def state_of(pid):
    """The states of its threads, as a set of letters."""
    states = set()
    for task in os.listdir(f'/proc/{pid}/task'):
        with open(f'/proc/{pid}/task/{task}/stat', encoding='utf-8', errors='replace') as file:
            states.add(file.read().rpartition(')')[2].split()[0])
    return states


def managed_resident_stopped(pid):
    """The same while the process stands still: a page that moves during a look is counted twice
    or not at all, so a look at a running process only suspects."""
    try:
        os.kill(pid, signal.SIGSTOP)
        for _ in range(1000):
            if state_of(pid) <= {'T', 'Z', 'X', 't'}:
                return managed_resident(pid)
            time.sleep(0.001)
    except OSError:
        return None
    finally:
        try:
            os.kill(pid, signal.SIGCONT)
        except OSError:
            pass
    return None


class Sampler(threading.Thread):
    """Looks at the descendants of a process until told to stop.  `peak' is the most that one of
    them had resident, where that is over the limit confirmed while it stood still."""

    def __init__(self, pid, limit, interval=0.02):
        super().__init__(daemon=True)
        self.pid, self.limit, self.interval = pid, limit, interval
        self.peak, self.samples, self.processes = 0, 0, set()
        self.ended = threading.Event()

    def look(self, pid):
        resident = managed_resident(pid)
        if resident is not None and resident > self.limit:
            resident = managed_resident_stopped(pid)
        if resident is not None:
            self.samples += 1
            self.processes.add(pid)
            self.peak = max(self.peak, resident)

    def run(self):
        while not self.ended.is_set():
            began = time.thread_time()
            for pid in descendants(self.pid):
                self.look(pid)
            # Looking takes at most a tenth of a processor: not of the time, since on a busy
            # machine a look may last for most of the program's.
            self.ended.wait(max(self.interval, 9 * (time.thread_time() - began)))

    def stop(self):
        self.ended.set()
        self.join()
        return self


class Run:
    """One execution that is over."""

    def __init__(self, status, out, err, seconds, report=None, sampler=None):
        self.status, self.out, self.err, self.seconds = status, out, err, seconds
        self.report, self.sampler = report, sampler


def shell_status(code):
    """A status as a shell reports it."""
    return 128 - code if code < 0 else code


RUNNING = set()           # groups of processes that were started and have not ended


def end_all(*_):
    """Somebody ends the test: what it started ends with it."""
    for group in list(RUNNING):
        try:
            os.killpg(group, signal.SIGKILL)
        except OSError:
            pass
    for folder in STAGES:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def end_with_children():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end_all)


def start(stage, command, **more):
    process = subprocess.Popen(command, cwd=stage.folder,
                               env=dict(clean_environment(), TMPDIR=stage.folder),
                               start_new_session=True, **stage.identity(), **more)
    RUNNING.add(process.pid)
    return process


def finish(process, seconds):
    """Wait for it, and end its whole group where it does not end by itself."""
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        print(f'    did not end within {seconds:.0f} s', flush=True)
        return None
    finally:
        RUNNING.discard(process.pid)
    return process.returncode


def run_plain(stage, command, stdin=None, prefix=(), limit=0, seconds=3600):
    """Run it; standard output and error go through files, so that their size does not matter."""
    with open(stdin or os.devnull, 'rb') as source, \
            tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.monotonic()
        process = start(stage, list(prefix) + command, stdin=source, stdout=out, stderr=err)
        sampler = Sampler(process.pid, limit)
        if limit:
            sampler.start()
        status = finish(process, seconds)
        took = time.monotonic() - began
        if limit:
            sampler.stop()
        out.seek(0)
        err.seek(0)
        return Run(None if status is None else shell_status(status), out.read(), err.read(), took,
                   sampler=sampler)


def quire_words(stage, memory, options=()):
    """`quire run' with what every test of it wants."""
    return [stage.quire, 'run', '--memory', str(memory), '--pagefile', stage.folder,
            '--report', f'json={stage.path("report.json")}', *options, '--']


def run_quire(stage, command, memory, options=(), **more):
    report = stage.path('report.json')
    if os.path.exists(report):
        os.remove(report)
    run = run_plain(stage, command, prefix=quire_words(stage, memory, options), limit=memory, **more)
    run.report = read_report(report)
    return run


def read_report(path):
    try:
        with open(path, encoding='utf-8') as file:
            return json.load(file)
    except (OSError, ValueError):
        return None


def make_program(path, text):
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)
    os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
