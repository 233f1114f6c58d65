#!/usr/bin/env python3
"""Do the examples do what their first lines promise?

usage: examples.py NAME PROGRAM LIBRARY

Runs PROGRAM, the example NAME, in small sizes with the libquire.so LIBRARY, and
reads what it prints: as the present user, and where that is root, as an ordinary
user too.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'programs'))
from under import Tests, clean_environment, user_name, users  # noqa: E402

MIB = 1 << 20
PAGE = 4096


class Example:
    def __init__(self, name, uid, folder, tests):
        self.name, self.uid, self.folder, self.tests = name, uid, folder, tests
        self.program = os.path.join(folder, 'program')

    def run(self, *words):
        """What it printed, or nothing where it did not end well."""
        environment = dict(clean_environment(), TMPDIR=self.folder, LD_LIBRARY_PATH=self.folder)
        user = {} if self.uid == os.geteuid() else {'user': self.uid, 'group': self.uid, 'extra_groups': []}
        done = subprocess.run([self.program, *map(str, words)], env=environment, text=True, cwd=self.folder,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=100, **user)
        self.check(done.returncode == 0 and not done.stderr, 'ends_well',
                   f'{words}: {done.returncode} {done.stderr[:300].strip()}')
        return done.stdout if done.returncode == 0 else ''

    def check(self, good, what, detail=''):
        return self.tests.check(good, f'example_{self.name}_{user_name(self.uid)}_{what}', detail)

    def find(self, pattern, text, what):
        """The numbers of the one line that matches."""
        found = re.findall(pattern, text, re.M)
        self.check(len(found) == 1, what, text if len(found) != 1 else '')
        if len(found) != 1:
            return None
        groups = found[0] if isinstance(found[0], tuple) else (found[0],)
        return [float(word) if '.' in word else int(word) for word in groups]


def sort(example):
    for size, budget in ((40, 8), (3, 8), (1, 1)):
        text = example.run(size, budget)
        sorted_ = example.find(r'^sorted +(\d+) records, (\d+) MiB in (\d+) MiB, (\d+) runs$', text,
                               f'{size}_in_{budget}_says_what')
        example.check(sorted_ == [size * MIB // 16, size, budget, -(-4 * size // budget)],
                      f'{size}_in_{budget}_all_of_it', str(sorted_))
        example.check(re.search(r'^order +right$', text, re.M) and re.search(r'^checksum +right$', text, re.M),
                      f'{size}_in_{budget}_is_right', text)
        resident = example.find(r'^resident +([\d.]+) MiB at the peak$', text, f'{size}_in_{budget}_resident')
        example.check(resident and 0 < resident[0] <= budget, f'{size}_in_{budget}_within_budget', str(resident))
        faults = example.find(r'^faults +(\d+) first touches, (\d+) compressed, (\d+) from the pagefile$', text,
                              f'{size}_in_{budget}_faults')
        moved = example.find(r'^pagefile +([\d.]+) MiB written, ([\d.]+) MiB read$', text,
                             f'{size}_in_{budget}_pagefile')
        if size > 4 * budget and faults and moved:
            example.check(faults[2] > 0 and moved[0] > size / 4 and moved[1] > size / 4,
                          f'{size}_in_{budget}_really_paged', f'{faults} {moved}')


def stack(example):
    for kib in (256, 4096):
        text = example.run(kib)
        first = example.find(r'^depth (\d+): the sum is (\d+); the stack grew (\d+) times$', text, f'{kib}_returns')
        if first:
            depth, total, grew = first
            example.check(depth == kib * 1024 // 2048 + 1 and total == (depth - 1) * depth // 2,
                          f'{kib}_computes', str(first))
            # A call takes more than 512 bytes, and the top page was there before.
            example.check(depth * 512 // PAGE - 2 <= grew < kib * 1024 // PAGE, f'{kib}_grows', str(first))
        last = example.find(r'^depth (\d+): overflow of (\d+) KiB after it grew (\d+) times: '
                            r'the page is reserved, not committed$', text, f'{kib}_overflow_is_reported')
        if last:
            # All but the two topmost pages and the lowest one were grown into.
            example.check(last[1] == kib and last[2] == kib * 1024 // PAGE - 2 and last[0] > kib * 1024 // 2048,
                          f'{kib}_fills_the_stack', str(last))


def array(example):
    for kind in ((), ('plain',)):
        text = example.run(8, *kind)
        name = kind[0] if kind else 'paged'
        lines = r'^%s +(\d+) elements in (\d+) steps; pages: (\d+) reserved, (\d+) committed, (\d+) resident$'
        empty, grown, cut = (example.find(lines % word, text, f'{name}_{word}') for word in ('empty', 'grown', 'cut'))
        if not (empty and grown and cut):
            continue
        reserved = (64 << 30) // PAGE
        example.check(empty == [0, 0, reserved, 0, 0], f'{name}_starts_with_nothing', str(empty))
        example.check(grown[:4] == [8_000_000, 16, reserved, 16 * 4 * MIB // PAGE], f'{name}_grows', str(grown))
        example.check(cut[:4] == [2_000_000, 16, reserved, 4 * 4 * MIB // PAGE], f'{name}_shrinks', str(cut))
        most = 32 * MIB // PAGE
        example.check(0 < grown[4] <= most and cut[4] <= grown[4] if not kind else grown[4] == 0,
                      f'{name}_resident', f'{grown} {cut}')
        example.check('\n0 of them wrong through the first pointer\n' in text, f'{name}_never_moved', text)


def checkpoint(example):
    text = example.run('state', 24, 4)
    rounds = re.findall(r'^round (\d+): (\d+) of (\d+) pages changed, (\d+) saved$', text, re.M)
    example.check([int(r[0]) for r in rounds] == [1, 2, 3, 4], 'four_rounds', text)
    for number, changed, pages, saved in rounds:
        example.check(0 < int(changed) < int(pages) == 24 * MIB // PAGE and saved == changed,
                      f'round_{number}_saves_what_changed', f'{changed} {saved} of {pages}')
    example.check(text.endswith('restored: 0 words differ\n'), 'restores', text)
    path = os.path.join(example.folder, 'state')
    example.check(os.path.exists(path) and os.path.getsize(path) == 24 * MIB, 'file_has_its_size')


def producer(example):
    for mib in (1, 20):
        text = example.run(mib)
        example.check('consumer  may not write the ring\n' in text, f'{mib}_rights_are_narrow', text)
        example.check(f'consumed  {mib} MiB, 0 words wrong\n' in text, f'{mib}_all_arrives', text)


def fanout(example):
    text = example.run(40, 8)
    own = example.find(r'^workers +8, with ([\d.]+) MiB of their own together$', text, 'workers')
    changed = 8 * 40 / 100                       # MiB: every hundredth page, by each
    example.check(own and changed * 0.9 <= own[0] <= changed * 1.5 + 1, 'costs_what_was_changed', str(own))
    example.check(text.endswith('wrong     0\n'), 'nobody_sees_the_others', text)


def archive(example):
    made = example.find(r'^made (\d+) KiB of (\d+) KiB$', example.run('make', 'packed', 16), 'is_made')
    example.check(made and made[1] == 16 * 1024 and made[0] < made[1] * 3 // 4, 'is_smaller', str(made))
    count = 16 * MIB // 16
    text = example.run('sum', 'packed')
    total = example.find(r'^sum (\d+) of (\d+) records$', text, 'says_the_sum')
    example.check(total == [sum(i * i % 1000003 for i in range(count)), count], 'adds_up', str(total))
    memory = example.find(r'^(\d+) KiB unpacked, (\d+) KiB in memory at the peak$', text, 'says_its_memory')
    example.check(memory and memory[0] >= 16 * 1024 and 0 < memory[1] <= 4096, 'within_budget', str(memory))
    text = example.run('find', 'packed', 2 * 77777, 5, 2 * count)
    example.check(text.startswith(f'155554: {77777 ** 2 % 1000003}\n5: none\n{2 * count}: none\n'), 'finds', text)
    memory = example.find(r'^(\d+) KiB unpacked, (\d+) KiB in memory', text, 'says_what_it_unpacked')
    example.check(memory and memory[0] < 4096, 'unpacks_what_is_touched', str(memory))
    path = os.path.join(example.folder, 'packed')
    os.truncate(path, os.path.getsize(path) - 100)
    done = subprocess.run([example.program, 'sum', path], text=True, capture_output=True, timeout=100,
                          env=dict(clean_environment(), TMPDIR=example.folder, LD_LIBRARY_PATH=example.folder))
    example.check(done.returncode == 3 and done.stderr == 'archive: a block is damaged\n', 'a_damaged_one_is_an_error',
                  f'{done.returncode} {done.stderr}')


def main():
    name, program, library = sys.argv[1:]
    tests = Tests()
    for uid in users():
        with tempfile.TemporaryDirectory(prefix='quire-example.') as folder:
            os.chmod(folder, 0o777)
            # Copies, since the build folder may lie where this user may not look.
            shutil.copy(program, os.path.join(folder, 'program'))
            shutil.copy(library, os.path.join(folder, 'libquire.so.0'))
            {'sort': sort, 'stack': stack, 'array': array, 'checkpoint': checkpoint, 'producer': producer,
             'fanout': fanout, 'archive': archive}[name](
                Example(name, uid, folder, tests))
    tests.end()


if __name__ == '__main__':
    main()
