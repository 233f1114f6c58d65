#!/usr/bin/env python3
"""Is every piece of C in the documentation still C, and does it still do what it says?

usage: fragments.py ROOT BUILD CC...

Takes each block that begins with ```c out of README.md and docs/*.md.

    it has a main()           a program: compiled, linked and run, to end with status 0
                              (that of README.md only linked: tests/install runs it)
    it has a line that is {   definitions: compiled, and known to what follows on the page
    otherwise                 statements: compiled in a function of their own, where the
                              names of PRELUDE are declared

CC compiles, with the warnings that the project itself is compiled with.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'programs'))
from under import Tests, clean_environment  # noqa: E402

WARNINGS = ['-Wall', '-Wextra', '-Wconversion', '-Werror', '-Wno-unused-variable', '-Wno-unused-function',
            '-Wno-unused-but-set-variable', '-O1']
HEADERS = '#include <quire/file.h>\n#include <quire/process.h>\n#include <quire/share.h>\n#include <stdio.h>\n#include <stdlib.h>\n'
PRELUDE = """
void fragment_%d(struct quire_process *process, struct quire_system *system, struct quire_space *space,
                 uint64_t va, uint64_t bytes, uint64_t page, enum quire_status status);
void fragment_%d(struct quire_process *process, struct quire_system *system, struct quire_space *space,
                 uint64_t va, uint64_t bytes, uint64_t page, enum quire_status status)
{
        (void)process, (void)system, (void)space, (void)va, (void)bytes, (void)page, (void)status;
        {
%s
        }
}
"""


def blocks(path):
    """(line, text) of each ```c block."""
    with open(path, encoding='utf-8') as file:
        text = file.read()
    for match in re.finditer(r'^```c\n(.*?)^```$', text, re.S | re.M):
        yield text.count('\n', 0, match.start()) + 2, match.group(1)


class Page:
    """One document, and what its fragments have defined so far."""

    def __init__(self, tests, root, build, compiler, path, folder):
        self.tests, self.root, self.build, self.compiler = tests, root, build, compiler
        self.path, self.name, self.folder = path, os.path.basename(path), folder
        self.face = self.name[:-len('.md')]            # a page may be that of a face
        if not os.path.exists(os.path.join(root, 'include', f'{self.face}.h')):
            self.face = None
        self.known = HEADERS + (f'#include <{self.face}.h>\n' if self.face else '')

    def compile(self, line, source, *more):
        path = os.path.join(self.folder, 'fragment.c')
        with open(path, 'w', encoding='utf-8') as file:
            file.write(source)
        done = subprocess.run([*self.compiler, '-std=gnu17', *WARNINGS, '-I', os.path.join(self.root, 'include'),
                               '-I', os.path.join(self.root, 'machines', 'sim'), path, *more],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL)
        return self.tests.check(done.returncode == 0, f'fragment_{self.name}_{line}_compiles',
                                done.stderr[:1500].strip())

    def program(self, line, text):
        """Linked as the page says: with libquire.a where it wants the simulator, else with libquire.so."""
        program = os.path.join(self.folder, 'fragment')
        libraries = [os.path.join(self.build, 'libquire.so'), f'-Wl,-rpath,{self.build}']
        if self.face:
            folder = os.path.join(self.build, 'faces', self.face)
            libraries = [os.path.join(folder, f'libquire-{self.face}.so'), f'-Wl,-rpath,{folder}', *libraries]
        if '<sim.h>' in text:
            libraries = [*sorted(glob.glob(os.path.join(self.root, 'machines', 'sim', '*.c'))), '-D_GNU_SOURCE',
                         '-Wno-sign-conversion', os.path.join(self.build, 'libquire.a'), '-llz4', '-luring',
                         '-lpthread']
        if not self.compile(line, text, '-o', program, *libraries) or self.name == 'README.md':
            return
        done = subprocess.run([program], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=100,
                              env=clean_environment())
        self.tests.check(done.returncode == 0, f'fragment_{self.name}_{line}_runs',
                         f'{done.returncode} {done.stdout[:100].strip()} {done.stderr[:300].strip()}')

    def fragment(self, line, text):
        if re.search(r'^int main\(', text, re.M):
            self.program(line, text)
        elif re.search(r'^{$', text, re.M):
            self.known += f'#line {line} "{self.path}"\n{text}'
            self.compile(line, self.known, '-c', '-o', os.devnull)
        else:
            body = f'#line {line} "{self.path}"\n{text}'
            self.compile(line, self.known + PRELUDE % (line, line, body), '-c', '-o', os.devnull)


def main():
    root, build, compiler = sys.argv[1], sys.argv[2], sys.argv[3:]
    tests = Tests()
    for path in [os.path.join(root, 'README.md'), *sorted(glob.glob(os.path.join(root, 'docs', '*.md')))]:
        with tempfile.TemporaryDirectory(prefix='quire-fragments.') as folder:
            page = Page(tests, root, build, compiler, path, folder)
            for line, text in blocks(path):
                page.fragment(line, text)
    tests.end()


if __name__ == '__main__':
    main()
