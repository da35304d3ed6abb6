"""A container on a host, set up the way a runtime reads subnet.env."""

import hashlib
import os
import re
import socket
import subprocess
import threading

from .netns import Netns
from .wait import wait_until


class Container:
    """Address .2 of the host's subnet, the host's end of the pair is .1."""

    def __init__(self, host):
        env = host.subnet_env()
        self.host = host
        self.mtu = int(env["FLANNEL_MTU"])
        gateway, _, length = env["FLANNEL_SUBNET"].partition("/")
        self.address = gateway.rpartition(".")[0] + ".2"
        self.netns = Netns("pod")
        self.netns.batch(
            f"link add eth0 mtu {self.mtu} type veth peer name pod0 mtu {self.mtu} "
            f"netns {host.netns.name}",
            f"addr add {self.address}/{length} dev eth0",
            "link set eth0 up")
        host.netns.batch(f"addr add {gateway}/{length} dev pod0", "link set pod0 up")
        self.netns.batch(f"route add default via {gateway}")

    def close(self):
        self.netns.delete()

    def pings(self, address, *options):
        done = self.netns.run(
            "ping", "-n", "-q", "-c", "1", "-W", "1", *options, address, check=False)
        return done.returncode == 0

    def reach(self, other):
        """Wait until the other container answers."""
        wait_until(lambda: self.pings(other.address),
                   f"{self.address} reaches {other.address}")

    def transfer(self, other, size):
        """Send so many bytes to the other container over TCP; fail if others arrive."""
        with other.netns.entered():
            server = socket.create_server((other.address, 0))
        with self.netns.entered():
            client = socket.socket()
        server.settimeout(60)
        client.settimeout(60)
        arrived = []
        receiver = threading.Thread(target=lambda: arrived.append(_receive(server)))
        receiver.start()
        with server, client:
            client.connect(server.getsockname())
            sent = _send(client, size)
            receiver.join()
        assert arrived == [(size, sent)]

    def stream(self, other, seconds):
        return PingStream(self.netns, other.address, seconds)


def _send(client, size):
    """Random bytes, and their checksum."""
    block, digest = os.urandom(1 << 20), hashlib.sha256()
    for number in range(-(-size // len(block))):
        part = (number.to_bytes(4, "big") + block[4:])[:size - number * len(block)]
        client.sendall(part)
        digest.update(part)
    client.shutdown(socket.SHUT_WR)
    return digest.hexdigest()


def _receive(server):
    """How many bytes come over the next connection, and their checksum."""
    connection, _ = server.accept()
    connection.settimeout(60)
    count, digest = 0, hashlib.sha256()
    with connection:
        while data := connection.recv(1 << 18):
            count += len(data)
            digest.update(data)
    return count, digest.hexdigest()


class PingStream:
    """A ping every 10 ms for so long; result() waits for its end."""

    def __init__(self, netns, address, seconds):
        self._popen = netns.popen(
            "ping", "-n", "-q", "-i", "0.01", "-W", "1", "-c", str(int(seconds * 100)),
            address, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def running(self):
        return self._popen.poll() is None

    def lost(self):
        """Packets without an answer, once the stream has ended."""
        output = self._popen.communicate()[0]
        sent, received = map(int, re.search(
            r"(\d+) packets transmitted, (\d+) received", output).groups())
        return sent - received


class Listener:
    """A TCP listener in a namespace that tells each caller's address."""

    def __init__(self, netns):
        with netns.entered():
            self._socket = socket.create_server(("0.0.0.0", 0))
        self._socket.settimeout(5)
        self.port = self._socket.getsockname()[1]

    def caller_from(self, netns, address):
        """Connect to address from netns; the source address that arrives here."""
        with netns.entered():
            client = socket.create_connection((address, self.port), timeout=5)
        try:
            connection, (source, _) = self._socket.accept()
            connection.close()
            return source
        finally:
            client.close()

    def close(self):
        self._socket.close()
