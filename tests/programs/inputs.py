"""What the programs are fed: made here, from fixed seeds, in any size."""
import random

MB = 1_000_000
LETTERS = 'abcdefghijklmnopqrstuvwxyz'


def words(path, size):
    """Long lines of random words, for sort."""
    draw = random.Random(2)
    vocabulary = [''.join(draw.choices(LETTERS, k=draw.randrange(3, 12))) for _ in range(5000)]
    with open(path, 'w', encoding='ascii') as file:
        while size > 0:
            text = '\n'.join(' '.join(draw.choices(vocabulary, k=draw.randrange(30, 120)))
                             for _ in range(1000)) + '\n'
            file.write(text)
            size -= len(text)


def drifting(path, size):
    """Text whose words change from one stretch to the next, for xz: what was written lately
    matters, and what was written long ago does not.  Even the space between words changes: xz
    looks at all earlier places where the next four characters stood."""
    draw = random.Random(5)
    letters = LETTERS + LETTERS.upper() + '0123456789+/'
    with open(path, 'w', encoding='ascii') as file:
        while size > 0:
            vocabulary = [''.join(draw.choices(letters, k=draw.randrange(4, 11))) for _ in range(48)]
            space = ''.join(draw.choices(letters, k=5))
            size -= file.write(space.join(draw.choices(vocabulary, k=8000)) + '\n')


def c_source(path, size):
    """One C file of many functions that call each other, for cc1."""
    draw = random.Random(3)
    with open(path, 'w', encoding='ascii') as file:
        size -= file.write('typedef unsigned long u;\n'
                           'struct node { u key, sum; struct node *next; const char *name; };\n')
        count = 0
        while size > 0:
            n = [draw.randrange(1 << 20) for _ in range(12)]
            call = f'work_{draw.randrange(count)}(p, sum, x) + ' if count else ''
            size -= file.write(f'''\
static const u table_{count}[8] = {{ {", ".join(str(x) for x in n[:8])} }};
u work_{count}(struct node *p, u x, u y)
{{
        u sum = {n[8]};
        for (u i = 0; i < (x & 7); i++) {{
                sum = sum * {n[9] | 1} + table_{count}[i];
                if (p && p->key == (sum ^ {n[10]}))
                        p->sum += y, p = p->next;
                else if (sum % {n[11] % 97 + 3} == {n[11] % 3})
                        sum -= i * y;
        }}
        return {call}sum;
}}
''')
            count += 1


def sqlite(path, rows, joined):
    """Two tables, an index, and joins, for a database in memory (a row takes some 600 bytes)."""
    with open(path, 'w', encoding='ascii') as file:
        file.write(f'''\
CREATE TABLE a(id INTEGER PRIMARY KEY, k INTEGER, t TEXT);
CREATE TABLE b(k INTEGER PRIMARY KEY, v INTEGER, t TEXT);
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {rows})
INSERT INTO a SELECT i, (i * 48271) % {rows}, printf('%0250d', i * 2654435761) FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {rows})
INSERT INTO b SELECT i, (i * 7919) % 1009, printf('%0250d', i * 2246822519) FROM n;
CREATE INDEX a_k ON a(k);
SELECT count(*), sum(a.id * b.v), sum(length(a.t)) FROM a JOIN b ON a.k = b.k WHERE a.id < {joined};
SELECT b.v, count(*), max(a.id), min(b.t) FROM b JOIN a ON a.k = b.k WHERE b.k < {joined}
        GROUP BY b.v ORDER BY 1 LIMIT 20;
UPDATE a SET t = t || 'x' WHERE k % 7 = 3;
SELECT sum(length(t)), max(t) FROM a;
''')


PYTHON = '''\
import random, sys
draw = random.Random(11)
count = int(sys.argv[1])
people, rows = {}, []
for i in range(count):
    person = {'age': draw.randrange(100), 'name': f'{draw.getrandbits(64):016x}', 'friends': []}
    people[f'person-{i}'] = person
    rows.append([i, person['name'], person])
for i in range(count // 20):
    people[f'person-{draw.randrange(count)}']['friends'].append(draw.randrange(count))
ages = [0] * 100
for number, name, person in rows:
    ages[person['age']] += number + len(person['friends'])
print(len(people), ages)
for row in sorted(rows[::10], key=lambda row: row[1])[:1000]:
    print(row[0], row[1], row[2])
'''


# Children see the memory as it was at the fork, whatever the parent and they do to it since.
FORK = '''\
import hashlib, os, random, signal, subprocess, sys
draw = random.Random(3)
pages = [bytearray(draw.randbytes(4096)) for _ in range(int(sys.argv[1]))]
text = {i: f'{i:x}' * 20 for i in range(int(sys.argv[1]))}

def digest():
    sum = hashlib.sha256()
    for page in pages:
        sum.update(page)
    for key in sorted(text):
        sum.update(text[key].encode())
    return sum.hexdigest()

def in_child(work):
    read, write = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        os.close(read)
        os.write(write, work().encode())
        os._exit(7)
    os.close(write)
    return child, read

def stir(step):
    for i in range(0, len(pages), step):
        pages[i][i % 4096] ^= 1
    return digest()

def in_grandchild():
    child, read = in_child(lambda: stir(2))
    stir(7)
    return os.read(read, 100).decode() + digest()[:8]

before = digest()
children = [in_child(digest), in_child(lambda: stir(3)), in_child(in_grandchild)]
after = stir(5)
for child, read in children:
    print(os.read(read, 100).decode(), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
print(before == after, before, after, digest() == after)
print(subprocess.run(['sort', '-n'], input='3\\n1\\n2\\n', text=True, capture_output=True).stdout.split())
print(subprocess.run([sys.executable, '-c', 'print(sum(len(str(i)) for i in [*range(300000)]))'],
                     text=True, capture_output=True).stdout, digest() == after)
'''

# System calls with buffers that are not resident.
CALLS = '''\
import hashlib, os, random, socket, sys, threading, time
size = int(sys.argv[1]) << 20
draw = random.Random(9)
buffer, copy = bytearray(size), bytearray(size)
for at in range(0, size, 1 << 20):
    buffer[at:at + (1 << 20)] = draw.randbytes(1 << 20)
view, back = memoryview(buffer), memoryview(copy)
path = os.path.join(os.environ['TMPDIR'], 'calls.data')
file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
counts = [os.write(file, view[:size // 2]), os.writev(file, [view[size // 2:size // 2 + 4097], view[size // 2 + 4097:]])]
counts += [os.preadv(file, [back[:12345], back[12345:size // 3], back[size // 3:]], 0)]
counts += [os.pwrite(file, view[100:size // 4], 7), os.preadv(file, [back[100:size // 4]], 7)]
print(counts, hashlib.sha256(back).hexdigest() == hashlib.sha256(view).hexdigest())
for at in range(0, size, 4096):
    copy[at] = 0
left, right = socket.socketpair()
sender = threading.Thread(target=left.sendall, args=[view])
sender.start()
got = 0
while got < size:
    got += right.recv_into(back[got:got + 3_000_000])
sender.join()
print(got, copy == buffer)
left.close()
read, write = os.pipe()
sender = threading.Thread(target=lambda: [os.write(write, view[at:at + 65536]) for at in range(0, size, 65536)])
sender.start()
for at in range(0, size, 65536):
    end = at
    while end < at + 65536:
        end += os.readv(read, [back[end:at + 65536]])
sender.join()
print(end, copy == buffer, os.fstat(file).st_size == size)
os.unlink(path)
patience = time.monotonic() + 60
while len(os.listdir('/proc/self/task')) > 1 and time.monotonic() < patience:
    time.sleep(0.01)       # (the kernel lets go of threads that were joined a little later)
print(os.getrandom(100) != os.getrandom(100), len(os.listdir('/proc/self/task')), sum(view[::4096]))
'''
