"""A reader of C sources, as far as the style test needs one.

It understands comments, strings, preprocessor lines and braces; that is enough
to find functions, and not enough to be a compiler.
"""
import re

IDENTIFIER = re.compile(r'[A-Za-z_]\w*')


def blank(text):
    """`text' with everything but newlines made spaces."""
    return re.sub(r'[^\n]', ' ', text)


class Source:
    """One file: its lines, its code without comments and strings, its functions."""

    TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.lines = text.split('\n')
        if self.lines and not self.lines[-1]:
            self.lines.pop()
        self.comments = []            # (line number, text)
        self.directives = []          # (line number, text, continued lines joined)
        self.plain = self._strip()    # no comments, no strings
        self.code = self._strip_directives()
        self.functions = self._functions()    # (name, first line, last line, static)

    def _strip(self):
        def one(match):
            token = match.group(0)
            if token.startswith('/'):
                line = self.text.count('\n', 0, match.start()) + 1
                self.comments.append((line, token))
                return blank(token)
            return token[0] + blank(token[1:-1]) + token[-1]
        return self.TOKEN.sub(one, self.text)

    def _strip_directives(self):
        def one(match):
            line = self.plain.count('\n', 0, match.start()) + 1
            raw = '\n'.join(self.lines[line - 1:line + match.group(0).count('\n')])
            self.directives.append((line, raw.replace('\\\n', ' ').strip()))
            return blank(match.group(0))
        return re.sub(r'^[ \t]*#(?:[^\n]*\\\n)*[^\n]*', one, self.plain, flags=re.M)

    def _functions(self):
        found = []
        depth = 0
        head_start = 0                # where the present top-level declaration began
        opened = None
        for match in re.finditer(r'[{};]', self.code):
            sign, at = match.group(0), match.start()
            if sign == '{':
                if depth == 0:
                    opened = self._head(self.code[head_start:at], head_start)
                    if opened == 'transparent':      # extern "C" {
                        opened, head_start = None, at + 1
                        continue
                depth += 1
            elif sign == '}':
                if depth == 0:                       # the end of extern "C"
                    head_start = at + 1
                    continue
                depth -= 1
                if depth == 0:
                    if opened:
                        name, first, static = opened
                        found.append((name, first, self._line(at), static))
                        head_start = at + 1
                    opened = None
            elif depth == 0:
                head_start = at + 1
        return found

    def _line(self, offset):
        return self.code.count('\n', 0, offset) + 1

    def _head(self, head, offset):
        """What a brace at the top level opens: a function's (name, line, static), or None."""
        if re.fullmatch(r'\s*extern\s*"\s*"\s*', head):
            return 'transparent'
        cleaned = head
        attribute = re.compile(r'__attribute__\s*\(\((?:[^()]|\([^()]*\))*\)\)')
        cleaned = attribute.sub(lambda m: blank(m.group(0)), cleaned)
        body = cleaned.rstrip()
        if not body.endswith(')') or re.search(r'(?<![=!<>])=(?!=)', body):
            return None
        level = 0                     # back over the parameters to the name
        for i in range(len(body) - 1, -1, -1):
            level += (body[i] == ')') - (body[i] == '(')
            if level == 0:
                break
        names = IDENTIFIER.findall(body[:i])
        if not names:
            return None
        lead = len(head) - len(head.lstrip())
        return names[-1], self._line(offset + lead), 'static' in names

    def calls(self, pattern):
        """How many calls of functions or macros whose name matches."""
        return len(re.findall(r'\b(?:' + pattern + r')\s*\(', self.code))

    def code_lines(self):
        """Lines with something on them besides comments."""
        return sum(1 for line in self.plain.split('\n') if line.strip())

    def includes(self):
        """(line number, what is included, quoted or not)."""
        for line, text in self.directives:
            match = re.match(r'#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', text)
            if match:
                yield line, match.group(1) or match.group(2), bool(match.group(1))
