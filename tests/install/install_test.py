#!/usr/bin/env python3
"""Does `make install' put in place what README.md says, and does it work from there?

usage: install_test.py ROOT

Installs under a temporary PREFIX, compiles the program of README.md against
what was installed, by pkg-config, with either library, and runs it and the
command.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'programs'))
from under import Tests, clean_environment  # noqa: E402

HEADERS = ['types.h', 'machine.h', 'host.h', 'quire.h', 'process.h', 'file.h', 'share.h']
FACES = ['mobius', 'brew']         # each has include/x.h, libquire-x, quire-x.pc, and a program in docs/x.md


class Place:
    """The prefix, and commands that look there."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = dict(clean_environment(), PKG_CONFIG_PATH=self.path('lib/pkgconfig'),
                                LD_LIBRARY_PATH=self.path('lib'), TMPDIR=folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, *command, **more):
        return subprocess.run(command, env=self.environment, capture_output=True, text=True,
                              stdin=None if 'input' in more else subprocess.DEVNULL, **more)

    def flags(self, *options, package='quire'):
        return self.run('pkg-config', *options, package).stdout.split()


def example_of(root, page='README.md'):
    """The first C program of the page."""
    with open(os.path.join(root, page), encoding='utf-8') as file:
        return re.search(r'^```c\n(.*?)^```', file.read(), re.S | re.M).group(1)


def check_files(tests, place):
    for name in ['lib/libquire.so', 'lib/libquire.so.0', 'lib/libquire.a', 'lib/pkgconfig/quire.pc',
                 'bin/quire', 'share/man/man1/quire.1'] + [f'include/quire/{name}' for name in HEADERS] + [
                     name for face in FACES for name in (
                         f'include/{face}.h', f'lib/libquire-{face}.so', f'lib/libquire-{face}.a',
                         f'lib/pkgconfig/quire-{face}.pc')]:
        tests.check(os.path.exists(place.path(name)), f'install_{name}')


def check_headers(tests, place):
    languages = ['c'] + (['c++'] if shutil.which('g++') else [])
    for language in languages:
        for header in [f'quire/{name}' for name in HEADERS] + [f'{face}.h' for face in FACES]:
            done = place.run('gcc', '-x', language, '-Wall', '-Wextra', '-Werror', '-fsyntax-only',
                             *place.flags('--cflags'), '-', input=f'#include <{header}>\n')
            tests.check(done.returncode == 0, f'install_{os.path.basename(header)}_alone_in_{language}', done.stderr[:300])


def check_library(tests, place, root):
    with open(place.path('example.c'), 'w', encoding='utf-8') as file:
        file.write(example_of(root))
    static = [flag if flag != '-lquire' else '-l:libquire.a' for flag in place.flags('--static', '--libs')]
    for name, flags in [('shared', place.flags('--libs')), ('static', static)]:
        made = place.run('gcc', '-Wall', '-o', place.path(name), place.path('example.c'),
                         *place.flags('--cflags'), *flags)
        if tests.check(made.returncode == 0, f'install_readme_example_builds_{name}', made.stderr[:500]):
            ran = place.run(place.path(name))
            tests.check((ran.returncode, ran.stdout) == (0, f'{512 << 20}\n'),
                        f'install_readme_example_runs_{name}', f'{ran.returncode} {ran.stdout[:200]}')


def check_face(tests, place, root, face):
    package = f'quire-{face}'
    for name in [f'lib/lib{package}.so', f'lib/lib{package}.a', f'lib/pkgconfig/{package}.pc', f'include/{face}.h']:
        tests.check(os.path.exists(place.path(name)), f'install_{name}')
    with open(place.path(f'{face}.c'), 'w', encoding='utf-8') as file:
        file.write(example_of(root, f'docs/{face}.md'))
    static = [re.sub(r'^-l(quire\S*)$', r'-l:lib\1.a', flag)
              for flag in place.flags('--static', '--libs', package=package)]
    for name, flags in [('shared', place.flags('--libs', package=package)), ('static', static)]:
        made = place.run('gcc', '-Wall', '-o', place.path(name), place.path(f'{face}.c'),
                         *place.flags('--cflags', package=package), *flags)
        if tests.check(made.returncode == 0, f'install_{face}_example_builds_{name}', made.stderr[:500]):
            ran = place.run(place.path(name))
            tests.check(ran.returncode == 0, f'install_{face}_example_runs_{name}', ran.stderr[:200])
    for language in ['c'] + (['c++'] if shutil.which('g++') else []):
        done = place.run('gcc', '-x', language, '-Wall', '-Wextra', '-Werror', '-fsyntax-only',
                         *place.flags('--cflags', package=package), '-', input=f'#include <{face}.h>\n')
        tests.check(done.returncode == 0, f'install_{face}.h_alone_in_{language}', done.stderr[:300])


def check_command(tests, place):
    ran = place.run(place.path('bin/quire'), 'run', '--memory', '64M', '--', 'sh', '-c', 'echo here; exit 3')
    tests.check((ran.returncode, ran.stdout) == (3, 'here\n'), 'install_quire_run',
                f'{ran.returncode} {ran.stderr[:300]}')
    ran = place.run(place.path('bin/quire'), 'probe')
    tests.check(ran.returncode == 0, 'install_quire_probe', ran.stderr[:300])


def main():
    tests, root = Tests(), sys.argv[1]
    with tempfile.TemporaryDirectory(prefix='quire-install.') as folder:
        place = Place(os.path.join(folder, 'prefix'))
        os.mkdir(place.folder)
        done = subprocess.run(['make', '-C', root, 'install', f'PREFIX={place.folder}'], text=True,
                              capture_output=True, stdin=subprocess.DEVNULL)
        if tests.check(done.returncode == 0, 'install_make_install', (done.stdout + done.stderr)[-1500:]):
            check_files(tests, place)
            check_headers(tests, place)
            check_library(tests, place, root)
            check_command(tests, place)
            for face in FACES:
                check_face(tests, place, root, face)
    tests.end()


if __name__ == '__main__':
    main()
