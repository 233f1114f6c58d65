#!/usr/bin/env python3
"""What a run looks like: text against golden files, JSON, SVG, CSV and the trace by
Python's own readers.  show_test.py RENDER GOLDEN_FOLDER [-- TEST...]

To accept a new look: show_test.py RENDER GOLDEN_FOLDER --accept"""
import csv
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as xml

import harness
from harness import equal

RENDER, GOLDEN = sys.argv[1:3]


def render(folder, name, processes, *more):
    """Every form of a synthetic run, as a function from suffix to text."""
    subprocess.run([RENDER, folder, name, str(processes), *more], check=True,
                   stderr=subprocess.PIPE)

    def read(suffix):
        with open(f'{folder}/{name}{suffix}', encoding='utf-8') as file:
            return file.read()
    return read


def compare(folder, name, processes):
    text = render(folder, name, processes)('.txt')
    path = f'{GOLDEN}/{name}.txt'
    if '--accept' in sys.argv:
        with open(path, 'w', encoding='utf-8') as file:
            file.write(text)
    with open(path, encoding='utf-8') as file:
        equal(text.splitlines(), file.read().splitlines(), path)
    for line in text.splitlines():
        assert len(line) <= 80, line
        equal(line, line.rstrip())


def test_text_of_nothing(folder):
    compare(folder, 'none', 0)


def test_text_of_one_process(folder):
    compare(folder, 'one', 1)


def test_text_of_three_processes(folder):
    compare(folder, 'three', 3)


def keys_of(value, path=''):
    """Every member, as a path; of a list, of its first item."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from keys_of(inner, f'{path}.{name}' if path else name)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield from keys_of(value[0], path + '[]')
    else:
        yield path


def test_json_has_the_same_keys_always(folder):
    one = json.loads(render(folder, 'one', 1)('.json'))
    three = json.loads(render(folder, 'three', 3)('.json'))
    equal(list(keys_of(one)), list(keys_of(three)))
    path = f'{GOLDEN}/keys'
    if '--accept' in sys.argv:
        with open(path, 'w', encoding='utf-8') as file:
            file.write('\n'.join(keys_of(one)) + '\n')
    with open(path, encoding='utf-8') as file:
        equal(list(keys_of(one)), file.read().split())


def test_json_figures(folder):
    one = json.loads(render(folder, 'one', 1)('.json'))
    equal(one['command'], ['/usr/bin/python3', 'build.py', '--items', '5000000'])
    equal((one['status'], one['signal'], one['budget']), (0, None, 64 << 20))
    equal(one['memory']['virtual_peak'], 412 << 20)
    equal(one['memory']['resident_peak'], 64 << 20)
    equal(one['memory']['managed_share'], round(405 / 407, 6))
    equal(one['faults']['zero'], 105472)
    equal(one['paging']['bytes_out'], 102912 * 4096)
    equal(one['tier'], {'memory_peak': 5000 * 4096, 'contents': 15000 * 4096, 'ratio': 3.0})
    latency = one['latency_ns']['all']
    assert latency['p50'] <= latency['p90'] <= latency['p99'] <= latency['p99_9'] <= latency['max']
    equal(one['latency_ns']['hard']['count'], 20400)
    process, = one['processes']
    equal((process['pid'], process['name'], process['end'], process['end_value']),
          (4000, 'python3', 'exit', 0))


def test_json_adds_events_and_not_peaks(folder):
    three = json.loads(render(folder, 'three', 3)('.json'))
    equal(len(three['processes']), 3)
    equal(three['faults']['hard'], sum(p['faults']['hard'] for p in three['processes']))
    equal(three['memory']['virtual_peak'],
          max(p['memory']['virtual_peak'] for p in three['processes']))


def test_json_of_nothing(folder):
    none = json.loads(render(folder, 'none', 0)('.json'))
    equal(none['processes'], [])
    equal(none['memory']['managed_share'], None)
    equal(none['latency_ns']['all']['p50'], None)


def test_hostile_report_file(folder):
    """Damaged figures make strange reports, and neither crashes nor broken syntax."""
    read = render(folder, 'hostile', 3, 'hostile')
    json.loads(read('.json'))
    xml.fromstring(read('.svg'))
    assert not re.search('[^\n -~]', read('.txt').replace('\ufffd', '?').encode(
        'ascii', 'replace').decode()), 'control characters'


def test_svg(folder):
    root = xml.fromstring(render(folder, 'one', 1)('.svg'))
    name = '{http://www.w3.org/2000/svg}'
    equal(root.tag, name + 'svg')
    equal(root.get('viewBox'), '0 0 960 640')
    words = [t.text for t in root.iter(name + 'text')]
    for wanted in ('python3 build.py --items 5000000', '412 MiB in 64 MiB', 'first touched',
                   'came back', 'mmap from 0x7f3a10000000', '128 MiB', '10 s'):
        assert wanted in words, f'{wanted!r} is not in {words}'
    cells = sum(p.get('d').count('M') for p in root.iter(name + 'path'))
    assert cells > 1000, cells


def test_svg_is_of_the_grid(folder):
    """No rectangle lies outside of the picture."""
    root = xml.fromstring(render(folder, 'three', 3)('.svg'))
    for path in root.iter('{http://www.w3.org/2000/svg}path'):
        for x, y, w, h in re.findall(r'M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)h-[\d.]+z',
                                     path.get('d')):
            assert float(x) + float(w) <= 960 and float(y) + float(h) <= 640, (x, y, w, h)


def test_trace_csv(folder):
    rows = list(csv.DictReader(render(folder, 'one', 1)('.trace.csv').splitlines()))
    equal(list(rows[0]), ['time_ns', 'pid', 'event', 'address', 'pages', 'arg'])
    equal(len(rows), 999)                # the last 1,000 but for a torn one
    equal(rows[0], {'time_ns': '500000000', 'pid': '4000', 'event': 'unknown',
                    'address': hex(0x7f0000000000 + 500 * 4096), 'pages': '3', 'arg': '0'})
    equal({r['event'] for r in rows}, {'unknown', 'zero', 'soft', 'tier', 'hard', 'denied', 'evict',
                                       'write', 'io_error', 'broken'})
    times = [int(r['time_ns']) for r in rows]
    equal(times, sorted(times))


def test_trace_json(folder):
    trace = json.loads(render(folder, 'one', 1)('.trace.json'))
    equal(trace['otherData']['overwritten'], 500)
    events = trace['traceEvents']
    equal(sum(e['ph'] == 'i' for e in events), 999)
    for event in events:
        assert event['ph'] in 'iMC' and 'pid' in event and 'name' in event, event
    hard = [e for e in events if e['ph'] == 'i' and e['name'] == 'hard']
    counted = sum(e['args']['hard'] for e in events if e['ph'] == 'C')
    equal(counted, sum(e['args']['pages'] for e in hard))


if __name__ == '__main__':
    os.makedirs(GOLDEN, exist_ok=True)
    harness.run_all(harness.tests_of(sys.modules['__main__']))
