#!/usr/bin/env python3
"""Does each rule of the style test refuse what it should, and nothing else?  And
does `make check' count a program's end as it should?

Every case is (name, the rule, something good, something bad).
"""
import importlib.util
import os
import subprocess
import sys
import tempfile

import style
from source import Source

HEAD = '/* x.c - a file. */\n'


def source(path, text):
    return Source(path, text)


def function_of(lines):
    return 'int quire_f(void)\n{\n' + '        quire_g();\n' * (lines - 3) + '}\n'


def on_source(rule, path, text):
    return list(rule(source(path, HEAD + text)))


SOURCE_CASES = [
    ('a long function', style.check_sizes, 'core/x.c', function_of(100), function_of(101)),
    ('a long line', style.check_sizes, 'run/x.c', f'int {"x" * 95};\n', f'int {"x" * 96};\n'),
    ('a blank at the end', style.check_sizes, 'run/x.c', 'int x;\n', 'int x; \n'),
    ('a long file', style.check_sizes, 'run/x.c', 'int x;\n' * 799, 'int x;\n' * 800),
    ('a static quire_ function', style.check_names, 'run/x.c', 'static int f(void)\n{\n}\n',
     'static int quire_f(void)\n{\n}\n'),
    ('a switched-off block', style.check_dead_code, 'run/x.c', '#if __x86_64__\n#endif\n', '#if 0\n#endif\n'),
    ('a call in a comment', style.check_dead_code, 'run/x.c', '/* it calls f(x); then waits */',
     '/* quire_f(x); */'),
    ('a line comment of code', style.check_dead_code, 'run/x.c', '// then it ends;\n', '// x = y + 1;\n'),
    ('a condition in a comment', style.check_dead_code, 'run/x.c', '/*\n * if it is there (or not)\n */',
     '/*\n * if (x) {\n */'),
    ('a .c included', style.check_includes, 'run/x.c', '#include "y.h"\n', '#include "y.c"\n'),
    ('libc in core', style.check_includes, 'core/x.c', '#include <stdint.h>\n#include "core.h"\n',
     '#include <string.h>\n'),
    ('process.h in core', style.check_includes, 'core/x.c', '#include "quire/quire.h"\n',
     '#include "quire/process.h"\n'),
    ('core in a machine', style.check_includes, 'machines/sim/x.c',
     '#include "quire/machine.h"\n#include "sim.h"\n#include <stdlib.h>\n', '#include "core/core.h"\n'),
    ('process.h in a face', style.check_includes, 'faces/brew/linux.c', '#include "quire/process.h"\n',
     '#include "quire/machine.h"\n'),
    ('process.h elsewhere in a face', style.check_includes, 'faces/brew/x.c', '#include "quire/types.h"\n',
     '#include "quire/process.h"\n'),
    ('a machine in a face', style.check_includes, 'faces/brew/x.c', '#include "quire/quire.h"\n',
     '#include "quire/machine.h"\n'),
    ('#if in core', style.check_conditionals, 'core/x.c', 'int x;\n', '#ifdef X\n#endif\n'),
    ('a guard in core', style.check_conditionals, 'core/x.h', '#ifndef X_H\n#endif\n', '#if X\n#endif\n'),
    ('few assertions', lambda s: style.check_density([s]), 'core/x.c', 'must(sys, x);\n' * 9,
     'int x;\n' * 30 + 'must(sys, x);\n'),
]

PLAIN_CASES = [
    ('a file without a head', lambda t: style.check_head(source('x.c', t)), '/* x */\n', 'int x;\n'),
    ('a word of the workplace', lambda t: style.check_words('x', t), 'a workshop', 'see /wo' + 'rk/x'),
    ('a file not listed', lambda t: style.check_core_list(t, ['a.c', 'b.c']), 'a.c  one\nb.c  two\n',
     'a.c  one\n'),
    ('a file listed that is not', lambda t: style.check_core_list(t, ['a.c']), '# order\na.c  one\n',
     'a.c  one\nb.c  two\n'),
    ('a file listed twice', lambda t: style.check_core_list(t, ['a.c']), 'a.c\n', 'a.c\na.c\n'),
]

SYMBOL_CASES = [
    ('a visible name', 'int quire_x; static int y; int *quire_z(void) { return &y; }', 'int x;'),
    ('a hidden name', 'static int x; int *quire_y(void) { return &x; }',
     'static int quire_x; int *quire_y(void) { return &quire_x; }'),
]


def symbols_in(text, rule):
    with tempfile.TemporaryDirectory() as folder:
        c, o = os.path.join(folder, 'x.c'), os.path.join(folder, 'x.o')
        with open(c, 'w', encoding='utf-8') as file:
            file.write(text)
        subprocess.run(['cc', '-c', '-O0', c, '-o', o], check=True)
        return list(rule(style.symbols_of(o)))


def parser_cases():
    """(name, whether it holds)."""
    text = HEAD + '''
#define LOOP(x) do { \\
        f(x); \\
} while (0)
struct pair { int a, b; } __attribute__((packed));
static const int table[] = { 1, 2 };
extern "C" {
static inline const char *
one(int (*call)(int), const char *text)
{
        if (text) { return "}"; }
        return call(1) ? "{" : 0; /* } */
}
__attribute__((noinline)) struct pair quire_two(void) { struct pair p = { 1, 2 }; return p; }
}
'''
    parsed = source('x.c', text)
    found = [(name, last - first + 1, static) for name, first, last, static in parsed.functions]
    yield 'functions are found with their sizes', found == [('one', 6, True), ('quire_two', 1, False)]
    yield 'calls in comments and strings do not count', source('x.c', '/* must(x) */ "must(" must_a(1)').calls(
        style.ASSERTION) == 1


def check_cases():
    """How check.py judges a program: (name, whether it holds)."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'scripts', 'check.py')
    spec = importlib.util.spec_from_file_location('check', path)
    check = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check)

    def judged(output, status):
        return check.judge({'stdout': output, 'returncode': status, 'result': 'X', 'name': 'x'})

    yield 'a good program', judged('a\n3 passed, 0 failed\n', 0) == (3, 0, 0, None)
    yield 'skips are counted', judged('3 passed, 0 failed, 2 skipped\n', 0)[:3] == (3, 0, 2)
    yield 'failures are counted', judged('3 passed, 2 failed\n', 1)[:2] == (3, 2)
    yield 'what a failed program complained of is repeated', 'no disk' in check.judge({
        'stdout': '3 passed, 2 failed\n', 'stderr': 'no disk\n', 'returncode': 1})[3]
    yield 'a crash is a failure', judged('a\n', -11)[:2] == (0, 1)
    yield 'no closing line is a failure', judged('all is well\n', 0)[:2] == (0, 1)
    yield 'a bad status is a failure', judged('3 passed, 0 failed\n', 1)[:2] == (3, 1)
    yield 'running nothing is a failure', judged('0 passed, 0 failed\n', 0)[:2] == (0, 1)
    yield 'the last closing line counts', judged('1 passed, 9 failed\nx\n2 passed, 0 failed\n', 0)[:2] == (2, 0)


def main():
    failed = passed = 0
    cases = []
    for name, rule, path, good, bad in SOURCE_CASES:
        cases.append((name, not on_source(rule, path, good) and on_source(rule, path, bad)))
    for name, rule, good, bad in PLAIN_CASES:
        cases.append((name, not list(rule(good)) and list(rule(bad))))
    for name, good, bad in SYMBOL_CASES:
        def rule(symbols):
            return style.check_symbols('x.o', symbols, set())
        cases.append((name, not symbols_in(good, rule) and symbols_in(bad, rule)))
    cases.append(('what core needs', not symbols_in(
        'void *memcpy(void *, const void *, unsigned long); void *f(void) { return memcpy; }',
        style.check_core_needs) and symbols_in(
            'void *malloc(unsigned long); void *f(void) { return malloc; }', style.check_core_needs)))
    cases.append(('exports', not list(style.check_exports({'quire_a'}, {'quire_a'}))
                  and len(list(style.check_exports({'quire_a'}, {'quire_b'}))) == 2))
    cases += list(parser_cases()) + list(check_cases())
    for name, holds in cases:
        print(f'{name}: {"ok" if holds else "FAILED"}')
        passed, failed = passed + bool(holds), failed + (not holds)
    print(f'{passed} passed, {failed} failed')
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
