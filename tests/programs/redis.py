"""redis-server under load with a background save: a big process forks while others talk to it.

The same commands go to a plain server and to one under `quire run'.  After half
of them a background save begins, and the other half goes on meanwhile.  The
dump must hold what the data set was at the moment of the fork, whatever was
written since: a plain server that loads it gives the same digest.
"""
import os
import shutil
import socket
import time

from under import Sampler, finish, quire_words, read_report, shell_status, start, user_name

CONFIG = '''\
port 0
unixsocket {folder}/{name}.sock
dir {folder}
dbfilename {name}.rdb
save ""
daemonize no
logfile {folder}/{name}.log
enable-debug-command yes
rdbcompression no
io-threads 2
'''


class Client:
    """Just enough of the protocol, over a Unix socket, many commands at a time."""

    def __init__(self, path, seconds):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(seconds)
        self.socket.connect(path)
        self.input = self.socket.makefile('rb')

    def send(self, commands):
        out = []
        for command in commands:
            out.append(b'*%d\r\n' % len(command))
            for word in command:
                word = word if isinstance(word, bytes) else str(word).encode()
                out.append(b'$%d\r\n%s\r\n' % (len(word), word))
        self.socket.sendall(b''.join(out))
        return [self.reply() for _ in commands]

    def reply(self):
        line = self.input.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b'$':
            length = int(rest)
            return None if length < 0 else self.input.read(length + 2)[:-2]
        if kind == b'*':
            return [self.reply() for _ in range(int(rest))]
        return line[:-2]

    def one(self, *command):
        return self.send([command])[0]


class Server:
    """A server of this name in the stage, plain or with `words' before it."""

    def __init__(self, stage, name, words, limit, seconds):
        self.stage, self.name, self.seconds = stage, name, seconds
        config = stage.path(f'{name}.conf')
        with open(config, 'w', encoding='ascii') as file:
            file.write(CONFIG.format(folder=stage.folder, name=name))
        stage.give(f'{name}.conf')
        self.process = start(stage, words + [executable(stage), config])
        self.sampler = Sampler(self.process.pid, limit) if words else None
        if self.sampler:
            self.sampler.start()
        self.client = self._connect()

    def _connect(self):
        """The server is ready when it answers."""
        end = time.monotonic() + self.seconds
        while self.process.poll() is None and time.monotonic() < end:
            try:
                client = Client(self.stage.path(f'{self.name}.sock'), self.seconds)
                if client.one('PING') == b'+PONG':
                    return client
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f'{self.name}: the server did not start (status {self.process.poll()})')

    def info(self, key):
        for line in self.client.one('INFO', 'persistence').split(b'\r\n'):
            name, _, value = line.partition(b':')
            if name == key:
                return value
        return None

    def save_finished(self):
        end = time.monotonic() + self.seconds
        while self.info(b'rdb_bgsave_in_progress') != b'0' and time.monotonic() < end:
            time.sleep(0.02)
        return self.info(b'rdb_last_bgsave_status') == b'ok'

    def close(self):
        """Shut down; the status as a shell reports it."""
        try:
            self.client.send([('SHUTDOWN', 'NOSAVE')])
        except OSError:
            pass
        status = finish(self.process, self.seconds)
        if self.sampler:
            self.sampler.stop()
        return None if status is None else shell_status(status)


def executable(stage):
    """Debian's package of tools holds the server too; it is one program of several names."""
    found = shutil.which('redis-server')
    if found:
        return found
    link = stage.path('redis-server')
    if not os.path.exists(link):
        os.symlink(shutil.which('redis-check-rdb'), link)
    return link


def commands(first, count):
    """The load: strings, counters, lists and hashes, some written over, some deleted."""
    for i in range(first, first + count):
        n = i * 2654435761 % 4294967296
        yield ('SET', f'key:{i}', f'{n:08x}' * (40 + n % 50))
        if i % 4 == 0:
            yield ('RPUSH', f'list:{n % 500}', f'{n}')
            yield ('HSET', f'hash:{n % 5000}', f'field:{i % 40}', f'{n:040d}')
        if i % 8 == 0:
            yield ('INCRBY', f'counter:{n % 100}', n % 1000)
            yield ('SET', f'key:{n % (i + 1)}', f'again {n}')
        if i % 64 == 0:
            yield ('DEL', f'key:{(n >> 8) % (i + 1)}')


def load(client, first, count):
    batch = []
    for command in commands(first, count):
        batch.append(command)
        if len(batch) == 500:
            client.send(batch)
            batch = []
    client.send(batch)


def work(server, count):
    """All of it, from the first command to the end; what it showed."""
    began = time.monotonic()
    load(server.client, 0, count // 2)
    at_fork = server.client.one('DEBUG', 'DIGEST')
    started = server.client.one('BGSAVE')
    load(server.client, count // 2, count - count // 2)
    saved = server.save_finished()
    shown = {'at_fork': at_fork, 'started': started, 'saved': saved,
             'at_end': server.client.one('DEBUG', 'DIGEST'), 'size': server.client.one('DBSIZE')}
    shown['seconds'] = time.monotonic() - began
    shown['status'] = server.close()
    return shown


def digest_of_dump(stage, name, seconds):
    """What a plain server holds that loads this dump."""
    os.rename(stage.path(f'{name}.rdb'), stage.path('loaded.rdb'))
    server = Server(stage, 'loaded', [], 0, seconds)
    digest = server.client.one('DEBUG', 'DIGEST')
    server.close()
    return digest


def scenario(tests, stage, memory, count, check_residency, seconds):
    name = f'redis_{user_name(stage.uid)}'
    plain = work(Server(stage, 'plain', [], 0, seconds), count)
    plain_dump = digest_of_dump(stage, 'plain', seconds)
    server = Server(stage, 'quire', quire_words(stage, memory), memory, seconds)
    under = work(server, count)
    tests.check(under['saved'], f'{name}_background_save_succeeds', str(under['started']))
    tests.check(under['status'] == plain['status'] == 0, f'{name}_same_status', f'{under["status"]}')
    tests.check(under['at_end'] == plain['at_end'] and under['size'] == plain['size'],
                f'{name}_same_data', under['size'].decode())
    if tests.check(os.path.exists(stage.path('quire.rdb')), f'{name}_dump_is_there'):
        dump = digest_of_dump(stage, 'quire', seconds)
        tests.check(dump == plain_dump == plain['at_fork'], f'{name}_same_dump', dump.decode())
    server.report = read_report(stage.path('report.json'))
    check_residency(tests, name, server, memory)
    print(f'    {name}: plain {plain["seconds"]:.2f} s, under quire {under["seconds"]:.2f} s '
          f'({under["seconds"] / plain["seconds"]:.1f}x)', flush=True)
