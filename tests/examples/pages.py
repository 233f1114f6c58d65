#!/usr/bin/env python3
"""Does the documentation speak of things that exist, and of all that it says it lists?

usage: pages.py ROOT [QUIRE]

Names of functions, constants, members, files, tests and messages in README.md and
docs/*.md must be those of the sources.  With the command QUIRE also: the options
in docs/run.md are the options of `quire run --help', and the lines of a report are
those that are explained there.
"""
import glob
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'programs'))
from under import Tests, clean_environment  # noqa: E402

# Uses its memory again and again, so that there is something to report.
PAGING = 'd = {i: str(i) * 9 for i in range(200000)}\nprint(sum(len(d[i]) for k in range(2) for i in d))'


def text_of(*path):
    with open(os.path.join(*path), encoding='utf-8', errors='replace') as file:
        return file.read()


def sources(root, *patterns):
    paths = [path for pattern in patterns for path in glob.glob(os.path.join(root, pattern), recursive=True)]
    return '\n'.join(text_of(path) for path in paths if os.path.isfile(path))


class Pages:
    def __init__(self, tests, root):
        self.tests, self.root = tests, root
        paths = [os.path.join(root, 'README.md'), *sorted(glob.glob(os.path.join(root, 'docs', '*.md')))]
        self.text = {os.path.basename(path): text_of(path) for path in paths}

    def none(self, missing, name, what):
        self.tests.check(not missing, f'pages_{name}', f'{what}: {", ".join(sorted(missing))}' if missing else '')

    def check_names(self):
        """Every quire_..., QUIRE_... and struct member in code marks is somewhere in a header."""
        headers = sources(self.root, 'include/*.h', 'include/quire/*.h', 'machines/sim/*.h', 'tests/conform/*.h')
        known = set(re.findall(r'\w+', headers)) | {'QUIRE_DISABLE', 'QUIRE_SEED'}
        for name, text in self.text.items():
            spoken = set(re.findall(r'\b(?:quire_|QUIRE_)\w+', text))
            gone = {word for word in spoken - known
                    if not word.endswith('_') or not any(k.startswith(word) for k in known)}
            self.none(gone, f'{name}_names_exist', 'no header has')
            members = set(re.findall(r'`\.(\w+)(?: = [^`]*)?`', text)) if name != 'run.md' else set()
            self.none(members - known, f'{name}_members_exist', 'no header has')

    def check_paths(self):
        """Every file of the project that is named is there."""
        folders = '|'.join(sorted(name for name in os.listdir(self.root)
                                  if os.path.isdir(os.path.join(self.root, name)) and name not in ('build', '.git')))
        for name, text in self.text.items():
            spoken = set(re.findall(rf'`((?:{folders})/[\w./-]*|[A-Z]+\.md|core/FILES)`', text))
            gone = {path for path in spoken if not os.path.exists(os.path.join(self.root, path))}
            self.none(gone, f'{name}_files_exist', 'there is no')

    def check_lists(self):
        """Tables that say of themselves that they list all there is."""
        library = self.text['library.md']
        types = text_of(self.root, 'include', 'quire', 'types.h')
        statuses = set(re.findall(r'^ +(QUIRE_[A-Z_]+),', types, re.M)) - {'QUIRE_OK'}
        listed = set(re.findall(r'^\| `(QUIRE_\w+)` \| .* \| .* \|$', library, re.M))
        self.none(statuses - listed, 'library.md_statuses_are_all_listed', 'not listed')
        native = text_of(self.root, 'include', 'quire', 'quire.h')
        reasons = set(re.findall(r'\bQUIRE_WHY_(\w+)', native))
        table = re.search(r'^\| reason \|.*?\n\n', library, re.S | re.M).group(0)
        self.none({word for word in reasons if f'`{word}`' not in table}, 'library.md_reasons_are_all_listed',
                  'not listed')
        advice = re.search(r'enum quire_advice \{(.*?)\};', native, re.S).group(1)
        self.none({word for word in re.findall(r'QUIRE_\w+', advice) if f'| `{word}` |' not in library},
                  'library.md_advice_is_all_listed', 'not listed')
        machine = text_of(self.root, 'include', 'quire', 'machine.h')
        host = text_of(self.root, 'include', 'quire', 'host.h')
        operations = set(re.findall(r'\(\*(\w+)\)\(', machine + host))
        self.none({word for word in operations if not re.search(rf'`{word}`', self.text['porting.md'])},
                  'porting.md_operations_are_all_explained', 'not explained')
        for rule in sorted(set(re.findall(r'^ \*   ([MH]\d)  ', machine + host, re.M))):
            self.tests.check(rule in self.text['porting.md'], f'pages_porting.md_explains_{rule}')

    def check_tests(self):
        """Tests, suites and abilities that are named."""
        porting = self.text['porting.md']
        rules = sources(self.root, 'tests/conform/*.c')
        named = set(re.findall(r'`(\w+_[A-Z]\d+|random_runs)`', porting))
        self.none({name for name in named if name not in rules}, 'porting.md_tests_exist', 'no such test')
        chapters = set(re.findall(r'`((?:rules_\w+|random|fake)\.c)`', porting))
        self.none({c for c in chapters if not os.path.exists(os.path.join(self.root, 'tests/conform', c))},
                  'porting.md_chapters_exist', 'no such file')
        probe = sources(self.root, 'machines/linux/probe.c')
        for name, text in self.text.items():
            disabled = {word for names in re.findall(r'QUIRE_DISABLE=([\w,-]+)', text) for word in names.split(',')}
            self.none({word for word in disabled if f'"{word}"' not in probe}, f'{name}_abilities_exist',
                      'no such ability')

    def check_messages(self):
        """What `Troubleshooting' quotes is what is said; … stands for anything."""
        said = re.sub(r'"\s*"', '', sources(self.root, 'cli/*.c', 'run/*.c', 'machines/linux/*.c'))
        table = self.text['run.md'].split('## Troubleshooting')[1]
        gone = set()
        for cell in re.findall(r'^\| ([^|]*) \|', table, re.M):
            for message in re.findall(r'`([^`]+)`', cell):
                if ' ' not in message or message in ('Cannot allocate memory', '--faults thread'):
                    continue                                  # the C library's; an option
                gone |= {part for part in message.split('…') if part.strip(' ,') and part.strip() not in said}
        self.none(gone, 'run.md_messages_are_said', 'nobody says')

    def check_command(self, quire):
        run = self.text['run.md']
        usage = subprocess.run([quire, 'run', '--help'], capture_output=True, text=True).stdout
        options = set(re.findall(r'^ +(?:-\w, )?(--[a-z-]+)', usage, re.M))
        listed = set(re.findall(r'^\| (?:`-\w`, )?`(--[a-z-]+)', run, re.M))
        self.tests.check(options and options == listed, 'pages_run.md_lists_the_options', str(options ^ listed))
        with tempfile.TemporaryDirectory(prefix='quire-pages.') as folder:
            done = subprocess.run([quire, 'run', '-m', '8M', '--pagefile', folder, '--report', 'text', '--',
                                   'python3', '-c', PAGING], capture_output=True, text=True, cwd=folder,
                                  stdin=subprocess.DEVNULL, env=clean_environment())
        if not self.tests.check(done.returncode == 0 and 'budget' in done.stderr, 'pages_run_reports', done.stderr[:500]):
            return
        row = r'^ {2,4}(all faults|hard faults|first touch|kernel saw|[a-z]+)(?= {2,})'
        printed = set(re.findall(row, done.stderr, re.M))
        shown = set(re.findall(r'^    ' + row[1:], run, re.M))
        explained = set(re.findall(r'^\| `([a-z ]+)` \|', run, re.M)) | set(re.findall(r'`(out|in|ahead)`', run))
        self.none(printed - shown - {'note', 'process'}, 'run.md_shows_every_line', 'not in the sample')
        self.none(shown - printed, 'run.md_shows_no_other_line', 'not printed')
        self.none(printed - explained - {'all faults', 'hard faults'}, 'run.md_explains_every_line', 'not explained')


def main():
    tests = Tests()
    pages = Pages(tests, sys.argv[1])
    pages.check_names()
    pages.check_paths()
    pages.check_lists()
    pages.check_tests()
    pages.check_messages()
    if len(sys.argv) > 2:
        pages.check_command(sys.argv[2])
    tests.end()


if __name__ == '__main__':
    main()
