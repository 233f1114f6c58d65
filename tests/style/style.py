#!/usr/bin/env python3
"""The style test: what DESIGN.md and the house style say, as far as a tool can see it.

usage: style.py ROOT [BUILD]

Prints the sizes of core/ beside those of the code it was modelled on, and one
line per fault.  With the BUILD folder it also looks at the symbols of the
objects there.  The rules are the functions named check_...; each is tried on
something bad by selftest.py.
"""
import os
import re
import statistics
import subprocess
import sys

from source import Source

MODELS = [
    ('mimalloc', '7 / 33 / 108', '524 / 1717', '7.3'),
    ('SQLite page cache', '13 / 36 / 68', '1101 / 1280', '9.6'),
    ('Zircon VM (2018)', '12 / 50 / 148', '273 / 1188', '7.1'),
    ('thor VM', '10 / 51 / 155', '827 / 2932', '6.1'),
    ('xv6 kernel', '13 / 39 / 119', '150 / 697', '1.9'),
    ('UVM (2015)', '42 / 166 / 1153', '752 / 3294', '1.5'),
    ('Quire, the aim', '<= 12 / <= 40 / <= 100', '<= 350 / <= 800', '>= 5'),
]
FUNCTION_MOST, FILE_MOST, COLUMNS, DENSITY = 100, 800, 100, 5.0
ASSERTION = r'must\w*'
SANITIZER = re.compile(r'^(__(asan|ubsan|tsan|sanitizer|sancov|stack_chk)_|_GLOBAL_OFFSET_TABLE_)')
CORE_NEEDS = {'memcpy', 'memmove', 'memset', 'memcmp'}
EDGES = {'types.h', 'machine.h', 'host.h', 'quire.h', 'process.h', 'file.h', 'share.h'}

# Words that belong to a workplace and not into a project (spelled so as not to find themselves).
FOREIGN_WORDS = [r'/wo' r'rk/', r'\bses' r'sions?\b']
TEXT_FILES = ('.c', '.h', '.S', '.py', '.sh', '.md', '.build', '.txt', '.1', '.in', 'FILES',
              'Makefile', 'run', 'LICENSE')


def text_of(path):
    with open(path, encoding='utf-8', errors='replace') as file:
        return file.read()


def project_files(root):
    """Paths of the project's own text files, relative to its root."""
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders
                            if not f.startswith('.git') and f not in ('build', '__pycache__'))
        for name in sorted(files):
            if name.endswith(TEXT_FILES):
                found.append(os.path.relpath(os.path.join(folder, name), root))
    return found


# ---------------------------------------------------------------- one source at a time

def check_sizes(source):
    if len(source.lines) > FILE_MOST:
        yield f'{source.path}: {len(source.lines)} lines (at most {FILE_MOST})'
    for name, first, last, _ in source.functions:
        if last - first + 1 > FUNCTION_MOST:
            yield (f'{source.path}:{first}: {name}() has {last - first + 1} lines '
                   f'(at most {FUNCTION_MOST})')
    for number, line in enumerate(source.lines, 1):
        if len(line.expandtabs(8)) > COLUMNS:
            yield f'{source.path}:{number}: more than {COLUMNS} columns'
        if line != line.rstrip():
            yield f'{source.path}:{number}: blanks at the end of the line'


def check_names(source):
    if not source.path.endswith('.c'):
        return
    for name, first, _, static in source.functions:
        if static and name.startswith('quire_'):
            yield f'{source.path}:{first}: static {name}() is named as if it were visible'


CODE_IN_COMMENT = re.compile(
    r'^\s*(?:(?:return\b[^.]*|break|continue|goto \w+|'
    r'[A-Za-z_][\w.\->\[\]]*(?:\([^)]*\))?\s*(?:[-+*/|&^]|<<|>>)?=[^=].*|'
    r'(?:[A-Za-z_]\w*(?:->|\.))*[A-Za-z_]\w*\(.*\));|'
    r'(?:if|for|while|switch)\s*\(.*\)\s*\{?|\}\s*(?:else\s*\{)?|#\s*(?:if|include|define)\b.*)\s*$')


def check_dead_code(source):
    for number, text in source.directives:
        if re.match(r'#\s*if\s+(?:0|false)\b', text):
            yield f'{source.path}:{number}: code that is switched off'
    example = re.compile(r'^ \* {4,}|^ {4,}')         # indented: an example in a header's prose
    for number, comment in source.comments:
        lines = comment.split('\n')
        for i, line in enumerate(lines):
            if len(lines) > 1 and example.match(line.lstrip('/')) and source.path.endswith('.h'):
                continue
            inner = re.sub(r'^\s*(?:/\*+|\*+/?|//+)?', '', line)
            if CODE_IN_COMMENT.match(re.sub(r'\*+/\s*$', '', inner)):
                yield f'{source.path}:{number + i}: this comment looks like code: {inner.strip()}'


def check_head(source):
    if not source.text.lstrip().startswith('/*'):
        yield f'{source.path}:1: no comment at the head of the file'


def check_includes(source):
    part = source.path.split('/')
    for number, name, quoted in source.includes():
        base = name.split('/')[-1]
        bad = None
        if name.endswith('.c'):
            bad = 'a .c file is included'
        elif part[0] == 'core':
            own = quoted and '/' not in name
            if not (own or name.startswith('quire/')
                    or name in ('stdint.h', 'stddef.h', 'stdbool.h', 'stdatomic.h', 'limits.h')):
                bad = 'core includes only include/quire and itself'
            elif base == 'process.h':
                bad = 'the core knows of no process'
        elif part[0] == 'include' and quoted and '/' not in name:
            if base not in EDGES and not os.path.dirname(source.path).endswith('include'):
                bad = 'not one of the edges'
        elif part[0] == 'machines' and quoted:
            inside = name.startswith('quire/') and base in EDGES
            if name.startswith('core/') or base == 'core.h' or not (inside or '/' not in name):
                bad = 'machines include the edges and themselves'
        elif part[0] == 'faces' and quoted:
            edges = {'quire.h', 'types.h'} | ({'process.h', 'file.h', 'share.h'} if part[-1] == 'linux.c' else set())
            if name.startswith('quire/') and base not in edges:
                bad = 'faces include quire.h and types.h, and in linux.c process.h, file.h and share.h'
        if bad:
            yield f'{source.path}:{number}: {name}: {bad}'


def check_conditionals(source):
    """No #if in core: include guards in headers, and the C++ braces, excepted."""
    if not source.path.startswith('core/'):
        return
    for number, text in source.directives:
        if not re.match(r'#\s*(?:if|ifdef|ifndef|elif|else)\b', text):
            continue
        if source.path.endswith('.h') and re.match(r'#\s*ifndef \w+_H$', text):
            continue
        yield f'{source.path}:{number}: {text}: no conditionals in core'


SOURCE_CHECKS = [check_sizes, check_names, check_dead_code, check_head, check_includes,
                 check_conditionals]


# ---------------------------------------------------------------- all of the project

def check_words(path, text):
    for pattern in FOREIGN_WORDS:
        for match in re.finditer(pattern, text, re.I):
            number = text.count('\n', 0, match.start()) + 1
            yield f'{path}:{number}: "{match.group(0)}" does not belong here'


def check_core_list(listing, present):
    """core/FILES names each file of core once: the first word of each line."""
    listed = [line.split()[0].rstrip(':') for line in listing.split('\n')
              if line.strip() and not line.startswith(('#', ' ', '\t'))]
    for name in sorted(set(present) - set(listed)):
        yield f'core/FILES: {name} is not listed'
    for name in sorted(set(listed) - set(present)):
        yield f'core/FILES: {name} does not exist'
    for name in sorted({name for name in listed if listed.count(name) > 1}):
        yield f'core/FILES: {name} is listed twice'


def check_density(sources):
    lines = sum(len(source.lines) for source in sources)
    assertions = sum(source.calls(ASSERTION) for source in sources)
    if lines and 100.0 * assertions / lines < DENSITY:
        yield (f'core: {100.0 * assertions / lines:.1f} assertions per 100 lines '
               f'(at least {DENSITY:g})')


# ---------------------------------------------------------------- symbols

def symbols_of(path, *options):
    """(name, letter) of each symbol that nm shows."""
    output = subprocess.run(['nm', '-p', *options, path], capture_output=True, text=True, check=True)
    for line in output.stdout.splitlines():
        words = line.split()
        if len(words) >= 2 and len(words[-2]) == 1:
            yield words[-1].split('@')[0], words[-2]


# Programs that use Quire and are linked into nothing else: their names are their own.
PROGRAMS = ('tests/', 'fuzz/', 'bench/', 'examples/')


def check_symbols(path, symbols, excepted):
    """A symbol is visible outside its file if and only if it begins with quire_."""
    symbols = list(symbols)
    visible = {name for name, letter in symbols
               if letter in 'TDBRVWCGSi' and not name.startswith('__odr_asan')}
    for name in sorted(visible):
        if name.startswith('quire_') or name in excepted or SANITIZER.match(name) \
                or path.startswith(PROGRAMS) or '/tests/' in path:
            continue
        yield f'{path}: {name} is visible and does not begin with quire_'
    for name, letter in symbols:
        base = re.split(r'\.(?:part|cold|isra|constprop|localalias|lto_priv)\b', name)[0]
        if letter in 'tdbr' and base.startswith('quire_') and base not in visible:
            # A static object inside a function carries a number: fn_local.123.
            yield f'{path}: {name} begins with quire_ and is not visible'


def check_core_needs(symbols):
    symbols = list(symbols)
    defined = {name for name, letter in symbols if letter not in 'Uvw'}
    for name in sorted({name for name, letter in symbols if letter in 'Uvw'} - defined):
        if name not in CORE_NEEDS and not SANITIZER.match(name):
            yield f'core: needs {name}() from outside'


def check_exports(exported, declared):
    for name in sorted(declared - exported):
        yield f'libquire.so: {name} is declared in a public header and not exported'
    for name in sorted(exported - declared):
        yield f'libquire.so: {name} is exported and in no public header'


def c_library_names():
    """What the agent may define besides: the names of the C library that it stands in for."""
    listing = subprocess.run(['ldd', sys.executable], capture_output=True, text=True).stdout
    match = re.search(r'=>\s*(\S*libc\.so\S*)', listing)
    return {name for name, _ in symbols_of(match.group(1), '-D', '--defined-only')} if match else set()


def object_files(build):
    for folder, folders, files in os.walk(build):
        folders.sort()
        for name in sorted(files):
            if name.endswith('.o'):
                yield os.path.relpath(os.path.join(folder, name), build)


def face_headers(root, face):
    """The headers of a face, whose names are foreign."""
    include = os.path.join(root, 'include')
    found = [os.path.join(include, f'{face}.h')]
    folder = os.path.join(include, face)
    if os.path.isdir(folder):
        found += [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    return [path for path in found if os.path.isfile(path)]


def faults_of_build(root, build):
    excepted = {'main', 'LLVMFuzzerTestOneInput', 'LLVMFuzzerInitialize', 'LLVMFuzzerCustomMutator'}
    agent = excepted | c_library_names()
    sys.path.insert(0, os.path.join(root, 'scripts'))
    import exports
    for path in object_files(build):
        part = path.split('/')
        allowed = agent if part[0] == 'run' else excepted
        if part[0] == 'faces':
            allowed = excepted | set(exports.names(face_headers(root, part[1]), exports.ANY_NAME))
        yield from check_symbols(path, symbols_of(os.path.join(build, path)), allowed)
    core = os.path.join(build, 'core', 'libquire_core.a')
    if os.path.exists(core):
        yield from check_core_needs(symbols_of(core))
    shared = os.path.join(build, 'libquire.so')
    if os.path.exists(shared):
        headers = [os.path.join(root, 'include', 'quire', name) for name in sorted(EDGES)]
        exported = {name for name, letter in symbols_of(shared, '-D', '--defined-only')
                    if letter != 'A'}
        yield from check_exports(exported, set(exports.names(headers)))


# ---------------------------------------------------------------- the table

def spread(numbers, *ranks):
    ordered = sorted(numbers) or [0]
    return [ordered[min(len(ordered) - 1, int(len(ordered) * rank))] for rank in ranks]


def row_of(name, sources):
    functions = [last - first + 1 for s in sources for _, first, last, _ in s.functions]
    files = [len(source.lines) for source in sources]
    lines = sum(files)
    assertions = sum(source.calls(ASSERTION) for source in sources)
    size = '%g / %d / %d' % (statistics.median(functions or [0]), *spread(functions, .9, 1))
    return (name, size, '%g / %d' % (statistics.median(files or [0]), max(files or [0])),
            '%.1f' % (100.0 * assertions / max(lines, 1)))


def print_table(sources):
    parts = {}
    for source in sources:
        words = source.path.split('/')
        folder = '/'.join(words[:2]) if words[0] in ('machines', 'tests') else words[0]
        parts.setdefault(folder, []).append(source)
    core = parts.get('core', [])
    rows = MODELS + [row_of('Quire, core/', core)]
    rows += [row_of(f'  {name}', parts[name]) for name in sorted(parts)
             if name not in ('core', 'include')]
    header = ('code', 'function lines, median / p90 / max', 'file lines, median / max',
              'assertions per 100 lines')
    widths = [max(len(row[i]) for row in rows + [header]) for i in range(4)]
    for row in [header] + rows:
        print('  '.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    raw = sum(len(source.lines) for source in core)
    code = sum(source.code_lines() for source in core)
    functions = sum(len(source.functions) for source in core)
    print(f'core/: {len(core)} files, {raw} lines, {code} of them code, {functions} functions, '
          f'{sum(source.calls(ASSERTION) for source in core)} assertions')
    over = [(last - first + 1, name, source.path) for source in sources
            for name, first, last, _ in source.functions if last - first + 1 > 60]
    for size, name, path in sorted(over, reverse=True):
        print(f'over 60 lines: {name}() in {path}: {size}')


def main():
    root = sys.argv[1]
    build = sys.argv[2] if len(sys.argv) > 2 else None
    paths = project_files(root)
    sources = [Source(path, text_of(os.path.join(root, path))) for path in paths
               if path.endswith(('.c', '.h'))]
    core = [source for source in sources if source.path.startswith('core/')]
    print_table(sources)

    results = []                      # (rule, its faults)
    for check in SOURCE_CHECKS:
        results.append((check.__name__, [f for s in sources for f in check(s)]))
    results.append(('check_words', [fault for path in paths
                                    for fault in check_words(path, text_of(os.path.join(root, path)))]))
    listing = os.path.join(root, 'core', 'FILES')
    names = [source.path.split('/')[-1] for source in core]
    results.append(('check_core_list',
                    list(check_core_list(text_of(listing) if os.path.exists(listing) else '', names))))
    results.append(('check_density', list(check_density(core))))
    if build:
        results.append(('check_symbols', list(faults_of_build(root, build))))
    for rule, faults in results:
        print(f'{rule}: ' + ('ok' if not faults else f'{len(faults)} FAILED'))
        for fault in faults:
            print(f'    {fault}')
    failed = sum(1 for _, faults in results if faults)
    print(f'{len(results) - failed} passed, {failed} failed')
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
