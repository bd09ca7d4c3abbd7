#!/usr/bin/env python3
"""Records what the kernel's TCP does where the simulation must do the same: docs/simulation.md cites
what it prints.

    unshare -n sh -c 'ip link set lo up; tools/dev/record_tcp.py [NAME...]'

Wants root (for a namespace of its own and a packet socket) and two minutes: the longest record is a
connect that nobody answers. Loopback only.
"""

import ctypes
import errno
import select
import socket
import struct
import sys
import threading
import time

SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
TCP_USER_TIMEOUT = 18


class Packets:
    """When a packet with these flags went to `port`, in seconds since the first one."""

    def __init__(self, port):
        self.port = port
        self.seen = []
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
        self.socket.bind(("lo", 0))
        self.socket.settimeout(0.2)
        self.stop = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stop:
            try:
                data, where = self.socket.recvfrom(65535)
            except socket.timeout:
                continue
            if where[2] == socket.PACKET_OUTGOING or data[14] >> 4 != 4 or data[23] != 6:
                continue
            tcp = data[14 + (data[14] & 15) * 4:]
            source, to = struct.unpack("!HH", tcp[:4])
            length = len(data) - 14 - (data[14] & 15) * 4 - (tcp[12] >> 4) * 4
            flags = "".join(c for bit, c in zip((2, 16, 1, 4, 8), "SAFRP") if tcp[13] & bit)
            self.seen.append((time.monotonic(), to == self.port, flags, length))

    def times(self, wanted=lambda to, flags, length: True):
        hits = [t for t, to, flags, length in self.seen if wanted(to, flags, length)]
        return [round(t - hits[0], 2) for t in hits]

    def text(self, start=0):
        return " ".join(f"{'>' if to else '<'}{flags}{length or ''}" for _, to, flags, length in self.seen[start:])


def drop_all(sock):
    program = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                    struct.pack("HL", 1, ctypes.addressof(program)))
    return program


def name(error):
    return errno.errorcode.get(error, str(error)) if error else "0"


def listener(backlog=16):
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(backlog)
    return sock


def pair():
    sock = listener()
    client = socket.create_connection(sock.getsockname())
    server, _ = sock.accept()
    return client, server, sock


def outcome(what):
    try:
        return repr(what())
    except OSError as e:
        return name(e.errno)


def wait_error(sock, limit):
    poll = select.poll()
    poll.register(sock, select.POLLERR)
    began = time.monotonic()
    poll.poll(limit * 1000)
    return time.monotonic() - began, sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def syn():
    """A connect that nobody answers."""
    sock = listener()
    drop_all(sock)
    packets = Packets(sock.getsockname()[1])
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(sock.getsockname())
    took, error = wait_error(client, 140)
    print(f"syn: sent at {packets.times(lambda to, f, n: to and f == 'S')}, {name(error)} after {took:.2f} s")


def syn_user_timeout(seconds):
    sock = listener()
    drop_all(sock)
    client = socket.socket()
    client.setblocking(False)
    client.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, int(seconds * 1000))
    client.connect_ex(sock.getsockname())
    took, error = wait_error(client, 140)
    print(f"syn: user timeout {seconds} s: {name(error)} after {took:.2f} s")


def dead_peer(timeout):
    """Data that nobody acknowledges."""
    client, server, _ = pair()
    drop_all(server)
    packets = Packets(server.getsockname()[1])
    time.sleep(0.3)
    client.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, int(timeout * 1000))
    client.send(b"x")
    took, error = wait_error(client, 60)
    sent = packets.times(lambda to, f, n: to and n)
    print(f"dead peer: user timeout {timeout} s: sent at {sent}, {name(error)} after {took:.3f} s")


def retries():
    """Data that nobody acknowledges, without a limit: how the intervals grow."""
    client, server, _ = pair()
    drop_all(server)
    packets = Packets(server.getsockname()[1])
    client.send(b"x")
    time.sleep(60)
    print(f"retries: {packets.times(lambda to, f, n: to and n)}")


def keepalive(idle, interval, count, timeout):
    client, server, _ = pair()
    drop_all(server)
    packets = Packets(server.getsockname()[1])
    for option, value in ((4, idle), (5, interval), (6, count)):
        client.setsockopt(socket.IPPROTO_TCP, option, value)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if timeout:
        client.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, int(timeout * 1000))
    began = time.monotonic()
    took, error = wait_error(client, 100)
    sent = [round(t - began, 2) for t, to, f, n in packets.seen if to]
    print(f"keepalive {idle}/{interval}/{count}, user timeout {timeout}: probes at {sent}, "
          f"{name(error)} after {took:.2f} s, then read {outcome(lambda: client.recv(1))}")


def zero_window():
    """A peer that doesn't read: how much a writer can place, and that nothing fails."""
    client, server, sock = pair()
    client.close(); server.close()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
    client.setsockopt(socket.IPPROTO_TCP, TCP_USER_TIMEOUT, 2000)
    client.connect(sock.getsockname())
    server, _ = sock.accept()
    client.setblocking(False)
    placed = 0
    while True:
        try:
            placed += client.send(b"x" * 4096)
        except BlockingIOError:
            break
    took, error = wait_error(client, 8)
    print(f"zero window: placed {placed}; user timeout 2 s, peer alive: {name(error)} after {took:.2f} s")


def order():
    """What each end reads and writes after an end: in the order of the calls."""
    def say(title, *calls):
        print(f"order: {title}: " + ", ".join(f"{what} {outcome(call)}" for what, call in calls))

    def linger(sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()

    c, s, _ = pair(); s.send(b"bye"); linger(s); time.sleep(.05)
    say("reply, then reset", ("read", lambda: c.recv(9)), ("read", lambda: c.recv(9)), ("read", lambda: c.recv(9)),
        ("write", lambda: c.send(b"x")))
    c, s, _ = pair(); linger(s); time.sleep(.05)
    say("reset, write first", ("write", lambda: c.send(b"x")), ("write", lambda: c.send(b"x")), ("read", lambda: c.recv(9)),
        ("shutdown", lambda: c.shutdown(1)))
    c, s, _ = pair(); s.send(b"bye"); s.close(); time.sleep(.05)
    w1 = outcome(lambda: c.send(b"x")); time.sleep(.05)
    say(f"reply, then close; write {w1}", ("write", lambda: c.send(b"x")), ("read", lambda: c.recv(9)),
        ("read", lambda: c.recv(9)), ("shutdown", lambda: c.shutdown(1)))
    c, s, _ = pair(); s.send(b"bye"); s.close(); time.sleep(.05)
    w1 = outcome(lambda: c.send(b"x")); time.sleep(.05)
    say(f"reply, then close; write {w1}", ("read", lambda: c.recv(9)), ("read", lambda: c.recv(9)), ("write", lambda: c.send(b"x")))
    c, s, _ = pair(); c.send(b"unread"); time.sleep(.05); s.close(); time.sleep(.05)
    say("closed with unread data", ("read", lambda: c.recv(9)), ("read", lambda: c.recv(9)), ("write", lambda: c.send(b"x")))
    c, s, _ = pair(); s.send(b"bye"); c.send(b"unread"); time.sleep(.05); s.close(); time.sleep(.05)
    say("reply, closed with unread data", ("read", lambda: c.recv(9)), ("read", lambda: c.recv(9)), ("write", lambda: c.send(b"x")))
    c, s, _ = pair(); c.shutdown(1); time.sleep(.05)
    say("half-close", ("server read", lambda: s.recv(9)), ("server write", lambda: s.send(b"late")), ("read", lambda: c.recv(9)),
        ("write", lambda: c.send(b"x")), ("shutdown again", lambda: c.shutdown(1)))
    c, s, _ = pair(); c.shutdown(1); s.close(); time.sleep(.05)
    say("both closed", ("read", lambda: c.recv(9)), ("write", lambda: c.send(b"x")), ("shutdown", lambda: c.shutdown(1)))
    c, s, _ = pair(); c.shutdown(1); time.sleep(.05); linger(s); time.sleep(.05)
    say("half-closed, then reset", ("read", lambda: c.recv(9)), ("read", lambda: c.recv(9)), ("write", lambda: c.send(b"x")))
    c, s, _ = pair(); s.shutdown(1); time.sleep(.05); linger(s); time.sleep(.05)
    say("end, then reset", ("read", lambda: c.recv(9)), ("write", lambda: c.send(b"x")), ("write", lambda: c.send(b"x")), ("read", lambda: c.recv(9)))
    l = listener(); c = socket.create_connection(l.getsockname()); l.close(); time.sleep(.05)
    say("listener closed before accept", ("read", lambda: c.recv(9)), ("read", lambda: c.recv(9)))
    l = listener(); c = socket.create_connection(l.getsockname()); linger(c); time.sleep(.05)
    s, _ = l.accept()
    say("client reset before accept", ("server read", lambda: s.recv(9)), ("server read", lambda: s.recv(9)))
    l = listener(); c = socket.create_connection(l.getsockname()); c.send(b"hi"); c.close(); time.sleep(.05)
    s, _ = l.accept()
    say("client closed before accept", ("server read", lambda: s.recv(9)), ("server read", lambda: s.recv(9)), ("server write", lambda: s.send(b"x")))


def backlog():
    for size in (0, 1, 2, 5):
        sock = listener(size)
        clients = []
        for _ in range(size + 4):
            c = socket.socket(); c.setblocking(False); c.connect_ex(sock.getsockname()); clients.append(c)
        time.sleep(.2)
        writable = sum(bool(select.select([], [c], [], 0)[1]) for c in clients)
        began = time.monotonic()
        sock.accept()
        waiting = [c for c in clients if not select.select([], [c], [], 0)[1]]
        select.select([], waiting, [], 5)
        print(f"backlog {size}: {writable} connected of {len(clients)}; after an accept the next after {time.monotonic() - began + .2:.2f} s")


def connects():
    def connect(where, family=socket.AF_INET):
        sock = socket.socket(family); sock.setblocking(False)
        error = sock.connect_ex(where)
        return f"{name(error)} then SO_ERROR {name(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))}"
    gone = listener(); where = gone.getsockname(); gone.close()
    print(f"connect: closed port {connect(where)}")
    print(f"connect: no route {connect(('198.51.100.1', 80))}; IPv6 {connect(('2001:db8::1', 80), socket.AF_INET6)}")
    print(f"connect: wildcard {connect(('0.0.0.0', where[1]))}; port 0 {connect(('127.0.0.1', 0))}")
    one = listener(); two = socket.socket()
    print(f"bind: taken {outcome(lambda: two.bind(one.getsockname()))}; foreign "
          f"{outcome(lambda: socket.socket().bind(('198.51.100.1', 0)))}")
    two = socket.socket(); two.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    print(f"bind: taken, reuse {outcome(lambda: two.bind(one.getsockname()))}, wildcard "
          f"{outcome(lambda: two.bind(('0.0.0.0', one.getsockname()[1])))}")
    c, s, l = pair(); port = l.getsockname(); s.close(); c.close(); l.close(); time.sleep(.05)
    print(f"bind: lingering {outcome(lambda: socket.socket().bind(port))}")


def unix():
    path = "\0record"
    sock = socket.socket(socket.AF_UNIX); sock.bind(path); sock.listen(1)
    def connect(where):
        c = socket.socket(socket.AF_UNIX); c.setblocking(False)
        return c, name(c.connect_ex(where))
    made = [connect(path) for _ in range(4)]
    print(f"unix: backlog 1: {[error for _, error in made]}")
    print(f"unix: nobody {connect(chr(0) + 'nobody')[1]}, no path {connect('/tmp/no-such')[1]}")
    def pair_unix():
        c, _ = connect(path); s, _ = sock.accept(); c.setblocking(True); return c, s
    while True:
        sock.setblocking(False)
        try: sock.accept()
        except BlockingIOError: break
    sock.setblocking(True)
    c, s = pair_unix(); s.send(b"bye"); s.close()
    print(f"unix: reply, then close: write {outcome(lambda: c.send(b'x'))}, read {outcome(lambda: c.recv(9))}, read {outcome(lambda: c.recv(9))}")
    c, s = pair_unix(); c.send(b"unread"); s.close()
    print(f"unix: closed with unread data: read {outcome(lambda: c.recv(9))}, read {outcome(lambda: c.recv(9))}, write {outcome(lambda: c.send(b'x'))}")
    c, s = pair_unix(); s.send(b"bye"); c.send(b"unread"); s.close()
    print(f"unix: reply, closed with unread data: read {outcome(lambda: c.recv(9))}, read {outcome(lambda: c.recv(9))}, read {outcome(lambda: c.recv(9))}")
    c, _ = connect(path); sock.close()
    print(f"unix: listener closed before accept: read {outcome(lambda: c.recv(9))}, read {outcome(lambda: c.recv(9))}, write {outcome(lambda: c.send(b'x'))}")


RECORDS = {
    "order": [order], "backlog": [backlog], "connects": [connects], "unix": [unix], "zero": [zero_window],
    "syn": [syn, lambda: syn_user_timeout(2.5), lambda: syn_user_timeout(30)],
    "dead": [lambda t=t: dead_peer(t) for t in (.5, 1, 2, 5, 30)],
    "retries": [retries],
    "keepalive": [lambda: keepalive(1, 1, 2, 0), lambda: keepalive(2, 1, 3, 0), lambda: keepalive(15, 5, 3, 30),
                  lambda: keepalive(3, 2, 9, 4)],
}

if __name__ == "__main__":
    threads = []
    for record in sys.argv[1:] or RECORDS:
        for run in RECORDS[record]:
            threads.append(threading.Thread(target=run))
            threads[-1].start()
            if record not in ("syn", "dead", "retries", "keepalive"):
                threads[-1].join()
    for thread in threads:
        thread.join()
