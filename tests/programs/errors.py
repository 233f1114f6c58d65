"""What `quire run' says and returns when it is asked for what cannot be, and what it passes through."""
import os
import shutil
import subprocess
import sys

from under import clean_environment, make_program, run_plain, run_quire, user_name

PYTHON = '/usr/bin/python3' if os.path.exists('/usr/bin/python3') else sys.executable


def one_line(run):
    """A refusal is one line on standard error that says who speaks, and nothing else."""
    lines = run.err.decode(errors='replace').splitlines()
    return len(lines) == 1 and lines[0].startswith('quire: ') and not run.out


def refused(tests, stage, name, words, status, mention=''):
    run = run_plain(stage, [stage.quire, 'run', *words], seconds=60)
    text = run.err.decode(errors='replace').strip()
    tests.check(run.status == status and one_line(run) and mention in text,
                f'errors_{user_name(stage.uid)}_{name}', f'{run.status}: {text[:300]}')


def refusals(tests, stage):
    make_program(stage.path('script'), '#!/bin/sh\nexit 0\n')
    shutil.copy(stage.path('script'), stage.path('no-script'))
    os.chmod(stage.path('no-script'), 0o644)
    make_program(stage.path('bad-interpreter'), '#!/no/such/interpreter\n')
    os.makedirs(stage.path('closed'))
    os.chmod(stage.path('closed'), 0o555)
    small = ['--memory', '64M', '--']
    refused(tests, stage, 'no_such_program', [*small, 'no-such-program-at-all'], 127, 'no-such-program')
    refused(tests, stage, 'no_such_path', [*small, '/no/such/program'], 127, '/no/such/program')
    refused(tests, stage, 'no_interpreter', [*small, stage.path('bad-interpreter')], 127, '/no/such')
    refused(tests, stage, 'not_executable', [*small, stage.path('no-script')], 126, 'no-script')
    refused(tests, stage, 'a_folder', [*small, stage.folder], 126)
    refused(tests, stage, 'no_program_given', ['--memory', '64M'], 2)
    refused(tests, stage, 'unknown_option', ['--no-such-option', '--', 'true'], 2, 'no-such-option')
    refused(tests, stage, 'bad_size', ['--memory', 'plenty', '--', 'true'], 2, 'plenty')
    refused(tests, stage, 'bad_policy', ['--memory', '64M', '--policy', 'best', '--', 'true'], 2, 'best')
    refused(tests, stage, 'bad_faults', ['--memory', '64M', '--faults', 'no', '--', 'true'], 2)
    refused(tests, stage, 'too_small', ['--memory', '4K', '--', 'true'], 2)
    refused(tests, stage, 'pagefile_nowhere', ['--memory', '64M', '--pagefile', '/no/such/folder/',
                                               '--', 'true'], 2, '/no/such/folder')
    if stage.uid != 0:
        refused(tests, stage, 'pagefile_not_writable', ['--memory', '64M', '--pagefile',
                                                        stage.path('closed'), '--', 'true'], 2, 'closed')


def special_programs(tests, stage):
    """A static binary and a set-uid one: no agent can be loaded into either."""
    static = stage.path('static')
    made = subprocess.run(['gcc', '-static', '-x', 'c', '-', '-o', static], input=b'int main(void) { return 0; }',
                          stderr=subprocess.DEVNULL)
    if made.returncode == 0:
        refused(tests, stage, 'static_program', ['--memory', '64M', '--', static], 2, 'static')
    else:
        tests.skip(f'errors_{user_name(stage.uid)}_static_program', 'there is no static C library')
    if os.geteuid() != 0:
        tests.skip('errors_user_set_uid_program', 'only root can make a program of another user')
        return
    program = stage.path('set-uid')
    shutil.copy('/bin/true', program)
    os.chown(program, 0 if stage.uid else 1, 0)      # somebody else's
    os.chmod(program, 0o4755)
    refused(tests, stage, 'set_uid_program', ['--memory', '64M', '--', program], 2, 'set-uid')


def least_that_works(tests, stage):
    """The message of a budget too small names one that works."""
    run = run_plain(stage, [stage.quire, 'run', '--memory', '4K', '--', 'true'], seconds=60)
    words = run.err.decode(errors='replace').replace(',', ' ').replace('(', ' ').replace(')', ' ').split()
    sizes = [''.join(pair) for pair in zip(words, words[1:]) if pair[0].replace('.', '').isdigit()
             and pair[1].rstrip('.;').lower() in ('kib', 'mib', 'bytes', 'k', 'm')]
    sizes = [size.rstrip('.;').replace('bytes', '') for size in sizes] or \
            [word.rstrip('.;') for word in words if word[0].isdigit() and word.rstrip('.;')[-1] in 'KM']
    name = f'errors_{user_name(stage.uid)}_least_budget_works'
    if not tests.check(bool(sizes), name + '_is_named', ' '.join(words)):
        return
    least = run_plain(stage, [stage.quire, 'run', '--memory', sizes[-1], '--', 'sh', '-c', 'echo it works'],
                      seconds=60)
    tests.check(least.status == 0 and least.out == b'it works\n', name,
                f'{sizes[-1]}: {least.status} {least.err.decode(errors="replace")[:200]}')


PASSED_THROUGH = [
    ('status_0', ['true']),
    ('status_1', ['false']),
    ('status_7', ['sh', '-c', 'exit 7']),
    ('status_255', ['sh', '-c', 'exit 255']),
    ('term', ['sh', '-c', 'kill -TERM $$']),
    ('kill', ['sh', '-c', 'kill -KILL $$']),
    ('segv_sent', ['sh', '-c', 'kill -SEGV $$']),
    ('abort', [PYTHON, '-c', 'import os; os.abort()']),
    ('null', [PYTHON, '-c', 'import ctypes; ctypes.string_at(0)']),
    ('wild', [PYTHON, '-c', 'import ctypes; ctypes.string_at(0x123456789000)']),
    ('read_only', [PYTHON, '-c', 'import ctypes; c = ctypes.CDLL(None); c.mmap.restype = ctypes.c_void_p; '
                   'ctypes.memset(c.mmap(None, 4096, 1, 0x22, -1, 0), 0, 1)']),
    ('child_status', ['sh', '-c', 'sh -c "exit 9"; echo $?']),
    ('arguments', [PYTHON, '-c', 'import sys; print(sys.argv)', '--memory', 'a b', '', '*']),
    ('environment', ['sh', '-c', 'env | grep -v -e ^_= -e QUIRE -e LD_PRELOAD | sort']),
    ('exec', ['sh', '-c', 'exec env X=1 sh -c "echo $0 \\$X; exit 3"']),
    ('script_of_perl', ['perl', '-e', 'my @a = map { $_ * 2 } 1..100000; print "$a[-1]\\n"; exit 4']),
]


def pass_through(tests, stage):
    for name, command in PASSED_THROUGH:
        if not shutil.which(command[0]):
            tests.skip(f'pass_{name}', f'there is no {command[0]}')
            continue
        plain = run_plain(stage, command, seconds=60)
        run = run_plain(stage, [stage.quire, 'run', '--memory', '64M', '--', *command], seconds=60)
        tests.check((run.status, run.out) == (plain.status, plain.out), f'pass_{user_name(stage.uid)}_{name}',
                    f'{plain.status}, {run.status} {run.err.decode(errors="replace")[:200].strip()}')


def full_pagefile(tests, stage):
    """A pagefile that fills: the program ends or gets ENOMEM, and the cause is named; what it
    printed until then is right."""
    program = ('import sys\nkeep = []\nimport random\ndraw = random.Random(1)\n'
               'try:\n    for i in range(120):\n        keep.append(draw.randbytes(1 << 20))\n'
               '        print(i, flush=True)\nexcept MemoryError:\n    print("no memory", flush=True)\n    sys.exit(5)\n')
    run = run_quire(stage, [PYTHON, '-c', program], 16 << 20, ['--pagefile-size', '8M'], seconds=120)
    printed = run.out.decode().split('\n')
    numbers = [line for line in printed if line.isdigit()]
    name = f'errors_{user_name(stage.uid)}_full_pagefile'
    tests.check(run.status not in (0, None), name + '_ends_the_program', f'{run.status}')
    tests.check(numbers == [str(i) for i in range(len(numbers))] and len(numbers) < 120, name + '_no_wrong_data',
                f'{len(numbers)} MiB')
    said = run.err.decode(errors='replace')
    tests.check('no memory' in printed or 'MemoryError' in said or
                ('quire: ' in said and 'pagefile' in said), name + '_names_the_cause',
                said.strip()[:300])


def probe(tests, stage):
    run = run_plain(stage, [stage.quire, 'probe'], seconds=60)
    text = run.out.decode(errors='replace')
    tests.check(run.status == 0 and 'userfaultfd' in text and 'move' in text,
                f'errors_{user_name(stage.uid)}_probe_answers', f'{len(text.splitlines())} lines')


def scenario(tests, stage):
    refusals(tests, stage)
    special_programs(tests, stage)
    least_that_works(tests, stage)
    pass_through(tests, stage)
    full_pagefile(tests, stage)
    probe(tests, stage)
