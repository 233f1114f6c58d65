#!/usr/bin/env python3
"""Write the linker's version script of libquire.so from the public headers.

usage: exports.py OUTPUT HEADER...

Exported is what a header declares outside of any struct: a function
(`quire_x(') or an `extern' object.  `exports.py - HEADER...' prints the names.
"""
import re
import sys


def names(paths):
    """The symbols that the headers declare."""
    found = set()
    for path in paths:
        with open(path, encoding='utf-8') as file:
            text = file.read()
        text = re.sub(r'/\*.*?\*/', ' ', text, flags=re.S)
        text = re.sub(r'^[ \t]*#(?:.*\\\n)*.*$', '', text, flags=re.M)
        text = text.replace('extern "C" {', '')
        while re.search(r'\{[^{}]*\}', text):        # bodies of structs, enums, inline functions
            text = re.sub(r'\{[^{}]*\}', ' ', text)
        for statement in text.split(';'):
            if re.search(r'\b(typedef|static)\b', statement):
                continue
            match = re.search(r'\b(quire_\w+)\s*\(', statement)
            if not match and re.match(r'\s*extern\b', statement):
                match = re.search(r'\b(quire_\w+)\s*(?:\[[^\]]*\]\s*)*$', statement)
            if match:
                found.add(match.group(1))
    return sorted(found)


def main():
    out, symbols = sys.argv[1], names(sys.argv[2:])
    if not symbols:
        sys.exit('exports.py: the headers declare nothing')
    if out == '-':
        print('\n'.join(symbols))
        return
    with open(out, 'w', encoding='utf-8') as file:
        file.write('{\nglobal:\n')
        file.writelines(f'        {symbol};\n' for symbol in symbols)
        file.write('local:\n        *;\n};\n')


if __name__ == '__main__':
    main()
