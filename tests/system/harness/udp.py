"""Overlays of type udp: hosts that have joined, counters, and a peer of the simplest kind."""

import re
import select
import socket
import subprocess

from .build import PROGRAMS
from .netns import Netns
from .packets import ipv4
from .wait import wait_until

PORT = 8285
OVERHEAD = 28
DEVICE = "flannel0"


def config(world, network="10.5.0.0/16", **keys):
    world.config(network, Backend={"Type": "udp", **keys})


def joined(world, count, *flags):
    """So many containers, each on a host of its own, that reach each other."""
    hosts = [world.host().start(*flags) for _ in range(count)]
    containers = [world.container(host) for host in hosts]
    for one in containers:
        for other in containers:
            one.reach(other)
    return containers


def put_peer(world, third, address=None, **options):
    """A lease of type udp for 10.5.<third>.0/24; returns the public address."""
    address = address or f"192.168.200.{third}"
    world.put_lease(f"10.5.{third}.0/24", address, "", kind="udp", **options)
    return address


def overlay_address(host):
    """That of flannel0: the first of the subnet."""
    return host.subnet.partition("/")[0]


def index(host, device=DEVICE):
    found = [link["ifindex"] for link in host.netns.json("ip link show")
             if link["ifname"] == device]
    return found[0] if found else None


def counters(host):
    """Stop a flanneld that runs with -v=1; what it has counted."""
    assert host.stop() == 0
    found = re.findall(r"([a-z_]+_(?:packets|bytes|errors)): (\d+)", host.log())
    return {name: int(value) for name, value in found}


class Datagrams:
    """Datagrams with any outer source, from a machine on the underlay."""

    def __init__(self, netns, port=PORT):
        self._port = port
        with netns.entered():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
            self._plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def send(self, source, host, payload):
        """One datagram to a host's port; in pieces if it is long."""
        head = self._port.to_bytes(2, "big") * 2 + (8 + len(payload)).to_bytes(2, "big") + b"\0\0"
        data, step = head + payload, 1480
        for at in range(0, len(data), step):
            more = 0x2000 if at + step < len(data) else 0
            self._socket.sendto(
                ipv4(source, host.address, data[at:at + step], id=len(payload) & 0xFFFF,
                     frag=more | at // 8), (host.address, 0))

    def close(self):
        self._socket.close()
        self._plain.close()


class LoopHost:
    """A host with tests/bench/udp_loop, which knows one peer: the whole network."""

    def __init__(self, world, third, peer):
        self.world = world
        self.netns = Netns("loop")
        self.address = world.underlay.plug(self.netns)
        self.overlay = f"10.5.{third}.0"
        self._popen = self.netns.popen(
            f"{PROGRAMS}/udp_loop", "loop0", self.address, str(PORT), peer.subnet, peer.address,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert select.select([self._popen.stdout], [], [], 10)[0]
        assert self._popen.stdout.readline() == b"ready\n"
        self.netns.batch(f"addr add {self.overlay}/32 dev loop0", "link set loop0 mtu 1472 up",
                         "route add 10.5.0.0/16 dev loop0")
        put_peer(world, third, self.address, ttl=3600)

    def pings(self, address):
        done = self.netns.run("ping", "-n", "-q", "-c", "1", "-W", "1", address, check=False)
        return done.returncode == 0

    def reach(self, address):
        wait_until(lambda: self.pings(address), f"{self.overlay} reaches {address}")

    def close(self):
        self._popen.kill()
        self._popen.wait()
        self._popen.stdout.close()
        self.netns.delete()
