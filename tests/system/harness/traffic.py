"""TCP and UDP between namespaces, checked at the other end."""

import hashlib
import random
import socket
import threading
import time

CHUNK = 1 << 18


class Transfer:
    """A TCP connection that carries so many random bytes each way, compared by checksum."""

    def __init__(self, source, destination, address, size, both=False):
        self._faults = []
        self._done = 0
        with destination.entered():
            listener = socket.create_server(("0.0.0.0", 0))
        listener.settimeout(20)
        with source.entered():
            self._client = socket.create_connection(
                (address, listener.getsockname()[1]), timeout=20)
        self._server = listener.accept()[0]
        listener.close()
        self._size = size
        self._threads = []
        ways = [(self._client, self._server)] + [(self._server, self._client)] * both
        for number, (sender, receiver) in enumerate(ways):
            self._carry(sender, receiver, number)

    def _carry(self, sender, receiver, seed):
        sums = {}
        for target, args in ((self._send, (sender, seed, sums)),
                             (self._receive, (receiver, sums))):
            thread = threading.Thread(target=self._guarded, args=(target, args), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _guarded(self, target, args):
        try:
            target(*args)
        except (OSError, AssertionError) as fault:
            self._faults.append(fault)

    def _send(self, connection, seed, sums):
        connection.settimeout(60)
        block = random.Random(seed).randbytes(CHUNK + 4096)
        total, left, turn = hashlib.sha1(), self._size, 0
        while left > 0:
            piece = memoryview(block)[turn % 4096:][:min(CHUNK, left)]
            connection.sendall(piece)
            total.update(piece)
            left -= len(piece)
            turn += 1
        sums["sent"] = total.hexdigest()
        connection.shutdown(socket.SHUT_WR)

    def _receive(self, connection, sums):
        connection.settimeout(60)
        total, count = hashlib.sha1(), 0
        while data := connection.recv(CHUNK):
            total.update(data)
            count += len(data)
            self._done += len(data)
        assert count == self._size, f"{count} of {self._size} bytes came"
        deadline = time.monotonic() + 10
        while "sent" not in sums and time.monotonic() < deadline:
            time.sleep(0.01)
        assert sums.get("sent") == total.hexdigest(), "other bytes came than were sent"

    @property
    def done(self):
        """Bytes that have arrived."""
        return self._done

    def running(self):
        return any(thread.is_alive() for thread in self._threads)

    def finish(self, timeout=120.0):
        """Wait for its end; every byte must have come."""
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        alive = self.running()
        self.close()
        assert not alive, f"not within {timeout} s: {self._done} bytes have come"
        assert not self._faults, self._faults

    def close(self):
        self._client.close()
        self._server.close()


class Mailbox:
    """A UDP socket in a namespace."""

    def __init__(self, netns, timeout=5.0, address="0.0.0.0", port=0):
        with netns.entered():
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind((address, port))
        self.socket.settimeout(timeout)
        self.port = self.socket.getsockname()[1]

    def send(self, data, address, port):
        self.socket.sendto(data, (address, port))

    def receive(self):
        return self.socket.recvfrom(65536)

    def close(self):
        self.socket.close()
