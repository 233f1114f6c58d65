#!/usr/bin/env python3
"""Write the linker's version script of a library from its public headers.

usage: exports.py [--face] OUTPUT HEADER...

Exported is what a header declares outside of any struct: a function
(`quire_x(') or an `extern' object; of a face, whatever its name.  With - as OUTPUT the
names are printed.
"""
import re
import sys

ANY_NAME = r'(?!(?:__attribute__|void|bool|int|if)\b)[A-Za-z_]\w+'      # before a parenthesis


def names(paths, pattern=r'quire_\w+'):
    """The symbols that the headers declare, of those that look like that."""
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
            match = re.search(rf'\b({pattern})\s*\(', statement)
            if not match and re.match(r'\s*extern\b', statement):
                match = re.search(rf'\b({pattern})\s*(?:\[[^\]]*\]\s*)*$', statement)
            if match:
                found.add(match.group(1))
    return sorted(found)


def main():
    arguments = sys.argv[1:]
    pattern = r'quire_\w+'
    if arguments[0] == '--face':
        pattern = ANY_NAME
        arguments = arguments[1:]
    out, symbols = arguments[0], names(arguments[1:], pattern)
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
