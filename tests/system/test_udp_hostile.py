"""Backend udp: of what anybody may send to the port, only what a peer may say comes in (X3)."""

import pytest

from harness import udp
from harness.packets import Capture, ipv4
from harness.packets import udp as udp_packet
from harness.wait import wait_until


class Attack:
    """One host, its peer, a machine outside that can say it is any of them, and a look inside."""

    def __init__(self, world, **keys):
        udp.config(world, **keys)
        self.host = world.host().start("-v=1")
        self.container = world.container(self.host)
        self.peer = udp.put_peer(world, 201)
        self.other = udp.put_peer(world, 202)
        netns, self.stranger = world.outsider()
        self.datagrams = world.keep(udp.Datagrams(netns))
        self.capture = world.keep(Capture(self.host.netns, udp.DEVICE))
        wait_until(lambda: self._arrives(self.peer) and self._arrives(self.other),
                   "both peers are known")
        self.settle()

    def _arrives(self, peer):
        third = peer.rpartition(".")[2]
        self.send(peer, self.inner(f"10.5.{third}.7"))
        return self.capture.taken()

    def inner(self, source="10.5.201.7", destination=None, **fields):
        destination = destination or self.container.address
        return ipv4(source, destination, udp_packet(source, destination, b"hello"), **fields)

    def send(self, source, payload):
        self.datagrams.send(source, self.host, payload)

    def settle(self):
        """Wait until a good packet has come behind all that was sent; what came before it."""
        mark = self.inner(id=4242)
        self.send(self.peer, mark)
        came = []

        def marked():
            came.extend(packet for packet in self.capture.taken() if packet[0] >> 4 == 4)
            return mark in came
        wait_until(marked, "the good packet is on the device")
        return came[:came.index(mark)]


MALFORMED = {
    "truncated": lambda a: a.inner()[:-1],
    "longer than it says": lambda a: a.inner() + b"x",
    "only half a header": lambda a: a.inner()[:10],
    "one byte": lambda a: b"E",
    "nothing": lambda a: b"",
    "bad checksum": lambda a: a.inner(sum=0x1234),
    "total length too small": lambda a: a.inner(total=19),
    "total length zero": lambda a: a.inner(total=0),
    "total length too large": lambda a: a.inner(total=1400),
    "header too short": lambda a: a.inner(words=4),
    "header longer than the packet": lambda a: a.inner(words=15)[:40],
    "IPv6": lambda a: bytes([0x60]) + bytes(59),
    "version 5": lambda a: a.inner(version=5),
    "65507 bytes of zeros": lambda a: bytes(65507),
    "flannel's command": lambda a: b"\0\0\0\1\x0a\x05\xc9\0\0\0\0\x18",
}


def test_malformed_datagrams_are_dropped_and_counted(world):
    attack = Attack(world)
    for make in MALFORMED.values():
        attack.send(attack.peer, make(attack))
    assert attack.settle() == []
    assert udp.counters(attack.host)["dropped_malformed_in_packets"] == len(MALFORMED)


def test_each_lie_about_who_sends_is_dropped_and_counted(world):
    attack = Attack(world)
    for _ in range(7):
        attack.send(attack.stranger, attack.inner())
    for _ in range(5):
        attack.send(attack.peer, attack.inner("10.5.202.7"))
        attack.send(attack.peer, attack.inner(attack.container.address))
        attack.send(attack.peer, attack.inner("192.0.2.1"))
    for destination in ("192.0.2.1", "127.0.0.1", "255.255.255.255", "10.6.0.1",
                        attack.host.address):
        attack.send(attack.peer, attack.inner(destination=destination))
    assert attack.settle() == []
    found = udp.counters(attack.host)
    assert found["dropped_stranger_packets"] == 7
    assert found["dropped_spoofed_packets"] == 15
    assert found["dropped_destination_packets"] == 5


def test_the_largest_datagram_that_is_a_good_packet_comes_in(world):
    attack = Attack(world)
    payload = udp_packet("10.5.201.7", attack.container.address, bytes(65507 - 28))
    packet = ipv4("10.5.201.7", attack.container.address, payload)
    attack.send(attack.peer, packet)
    assert attack.settle() == [packet]


def test_any_source_is_taken_if_the_config_says_so(world):
    attack = Attack(world, AllowAnySource=True)
    packet = attack.inner()
    attack.send(attack.stranger, packet)
    attack.send(attack.stranger, attack.inner("10.5.77.7"))
    attack.send(attack.stranger, attack.inner(destination="192.0.2.1"))
    assert attack.settle() == [packet]
    found = udp.counters(attack.host)
    assert (found["dropped_spoofed_packets"], found["dropped_destination_packets"]) == (1, 1)


def test_a_flood_of_rubbish_leaves_the_peer_its_way(world):
    attack = Attack(world)
    for number in range(3000):
        attack.send(attack.stranger, attack.inner(id=number))
    assert attack.settle() == []
    assert udp.counters(attack.host)["dropped_stranger_packets"] > 0


def test_a_lease_of_another_backend_is_no_peer(world):
    attack = Attack(world)
    world.put_lease("10.5.203.0/24", "192.168.200.203", "0a:00:00:00:00:01", ttl=3600)
    udp.put_peer(world, 204)
    wait_until(lambda: attack.send("192.168.200.204", attack.inner("10.5.204.7"))
               or attack.capture.taken(), "the lease behind it is known")
    attack.settle()
    attack.send("192.168.200.203", attack.inner("10.5.203.7"))
    assert attack.settle() == []


@pytest.mark.parametrize("key, value", [
    ("Port", "8285"), ("Port", 70000), ("Port", -1), ("Port", 1.5), ("MTU", "1400"), ("MTU", 95),
    ("Threads", "2"), ("Threads", 17), ("Threads", True), ("AllowAnySource", 1),
    ("AllowAnySource", "true"),
])
def test_a_wrong_value_in_the_config_is_named(world, key, value):
    udp.config(world, **{key: value})
    host = world.host().start(ready=False)
    assert host.wait_exit() == 4
    assert key in host.log()
    host.daemon = None
