"""What the Python tests share: run every test_* function, count, say so."""
import os
import sys
import tempfile
import traceback


class Skip(Exception):
    """The test makes no sense here, because ..."""


def run_all(functions):
    """Run the named functions, each with a folder of its own; exit status 1 if one failed."""
    passed = failed = skipped = 0
    wanted = sys.argv[sys.argv.index('--') + 1:] if '--' in sys.argv else []
    for name, function in functions:
        if wanted and name not in wanted:
            continue
        try:
            with tempfile.TemporaryDirectory(prefix='quire-test-') as folder:
                os.chmod(folder, 0o777)
                function(folder)
            passed += 1
            print(f'{name} ok')
        except Skip as why:
            skipped += 1
            print(f'{name} skipped: {why}')
        except Exception:                               # whatever it is, it is counted
            failed += 1
            print(f'{name} FAILED')
            traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
    print(f'{passed} passed, {failed} failed' + (f', {skipped} skipped' if skipped else ''))
    sys.exit(failed > 0 or passed + skipped == 0)


def tests_of(module):
    """The test_* functions of a module in the order they are written."""
    return [(n, f) for n, f in vars(module).items() if n.startswith('test_')]


def equal(got, wanted, what=''):
    """Fail, showing both."""
    if got != wanted:
        raise AssertionError(f'{what}\n  got    {got!r}\n  wanted {wanted!r}')
