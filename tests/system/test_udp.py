"""Backend udp: what containers send comes, whole and as it was."""

import os
import random
import socket

import pytest

from harness import udp
from harness.build import PROGRAMS
from harness.netns import Netns
from harness.packets import Capture, ipv4
from harness.packets import udp as udp_packet
from harness.traffic import Mailbox, Transfer

SIZE = 100 << 20


def test_containers_on_three_hosts_ping_each_other(world):
    udp.config(world)
    containers = udp.joined(world, 3)
    for container in containers:
        assert container.mtu == 1500 - udp.OVERHEAD
        assert container.pings(udp.overlay_address(containers[0].host))


def test_a_host_and_its_peers_containers_reach_each_other(world):
    udp.config(world)
    first, second = udp.joined(world, 2)
    there = udp.overlay_address(second.host)
    for address in (second.address, there):
        first.host.netns.run("ping", "-n", "-q", "-c", "1", "-W", "2", address)
    Transfer(first.host.netns, second.host.netns, there, 1 << 20, both=True).finish()


def test_the_device_and_its_route(world):
    udp.config(world)
    host = world.host().start()
    link = host.netns.json(f"ip link show {udp.DEVICE}")[0]
    assert (link["mtu"], link["linkinfo"]["info_kind"]) == (1472, "tun")
    assert link["linkinfo"]["info_data"]["persist"] is True
    routes = host.netns.json(f"ip route show dev {udp.DEVICE}")
    assert [route["dst"] for route in routes] == ["10.5.0.0/16"]
    assert host.lease()["value"]["BackendType"] == "udp"


@pytest.mark.parametrize("keys", [{}, {"Threads": 2}], ids=["one_thread", "two_threads"])
def test_a_hundred_megabytes_come_as_they_were_sent_both_ways(world, keys):
    udp.config(world, **keys)
    first, second = udp.joined(world, 2)
    Transfer(first.netns, second.netns, second.address, SIZE, both=True).finish()


@pytest.mark.parametrize("keys", [{}, {"Threads": 2}], ids=["one_thread", "two_threads"])
def test_many_flows_at_a_time_come_as_they_were_sent(world, keys):
    udp.config(world, **keys)
    containers = udp.joined(world, 3)
    flows = [Transfer(one.netns, other.netns, other.address, 2 << 20, both=True)
             for one in containers for other in containers if one is not other
             for _ in range(4)]
    for flow in flows:
        flow.finish()


def test_transfers_without_offloads_on_the_underlay(world):
    udp.config(world)
    first, second = udp.joined(world, 2)
    for container in (first, second):
        container.host.netns.run("ethtool", "-K", "eth0", "tx-udp-segmentation", "off", "gso",
                                 "off", "tso", "off", "gro", "off", "tx", "off")
    Transfer(first.netns, second.netns, second.address, SIZE // 4, both=True).finish()


def _cross(sender, receiver, address, sizes):
    """Datagrams of these sizes, one after the other; each must come, and be the same."""
    for size in sizes:
        data = random.Random(size).randbytes(size)
        sender.send(data, address, receiver.port)
        try:
            came = receiver.receive()[0]
        except TimeoutError:
            raise AssertionError(f"{size} bytes do not come") from None
        assert came == data, f"{size} bytes"


def test_udp_of_every_size(world):
    udp.config(world)
    first, second = udp.joined(world, 2)
    sender, receiver = Mailbox(first.netns), Mailbox(second.netns)
    try:
        _cross(sender, receiver, second.address, range(0, first.mtu - 28 + 1))
        # beyond the MTU the sender's kernel makes fragments
        _cross(sender, receiver, second.address,
               [first.mtu - 27, 2000, 2944, 2945, 9000, 40000, 65507])
    finally:
        sender.close()
        receiver.close()


def test_segments_of_udp_travel_as_the_application_meant_them(world):
    udp.config(world)
    first, second = udp.joined(world, 2)
    sender, receiver = Mailbox(first.netns), Mailbox(second.netns)
    data = random.Random(1).randbytes(30 * 1200 + 7)
    try:
        sender.socket.setsockopt(socket.IPPROTO_UDP, 103, 1200)  # UDP_SEGMENT
        sender.send(data, second.address, receiver.port)
        came = [receiver.receive()[0] for _ in range(31)]
    finally:
        sender.close()
        receiver.close()
    assert b"".join(came) == data
    assert [len(part) for part in came] == [1200] * 30 + [7]


def test_fragments_and_options_inside_are_left_alone(world):
    udp.config(world)
    first, second = udp.joined(world, 2)
    receiver = Mailbox(second.netns)
    whole = udp_packet(first.address, second.address, random.Random(2).randbytes(2000),
                       (4000, receiver.port))
    with first.netns.entered():
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    capture = Capture(second.netns, "eth0")
    packets = [
        ipv4(first.address, second.address, whole[:1000], id=7, frag=0x2000),
        ipv4(first.address, second.address, whole[1000:], id=7, frag=125),
        ipv4(first.address, second.address, id=8, options=b"\x07\x0b\x04" + bytes(8) + b"\0",
             payload=udp_packet(first.address, second.address, b"recorded",
                                (4000, receiver.port))),
    ]
    try:
        for packet in packets:
            raw.sendto(packet, (second.address, 0))
        assert receiver.receive()[0] == whole[8:]
        assert receiver.receive()[0] == b"recorded"
        came = [packet for packet in capture.taken() if packet[9] == socket.IPPROTO_UDP]
    finally:
        raw.close()
        capture.close()
        receiver.close()
    assert [int.from_bytes(packet[6:8], "big") for packet in came] == [0x2000, 125, 0]
    # record route (RFC 791): this host, and the one there, have put down their addresses
    recorded = came[2][20:31]
    assert recorded[0] == 7 and recorded[2] == 12


def test_df_at_the_limit_passes_and_one_above_is_said(world):
    udp.config(world)
    first, second = udp.joined(world, 2)
    first.netns.batch("link set eth0 mtu 1500")
    limit = 1472 - 28
    assert first.pings(second.address, "-M", "do", "-s", str(limit))
    done = first.netns.run("ping", "-n", "-c", "1", "-W", "2", "-M", "do", "-s", str(limit + 1),
                           second.address, check=False)
    assert "mtu = 1472" in done.stdout or "mtu=1472" in done.stdout, done.stdout


def _probe(netns, address, ttl):
    """Who answers a packet with that TTL, and by which type of ICMP."""
    with netns.entered():
        listener = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    sender = Mailbox(netns)
    listener.settimeout(3)
    try:
        sender.socket.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        sender.send(b"probe", address, 33434 + ttl)
        packet, (who, _) = listener.recvfrom(4096)
    finally:
        listener.close()
        sender.close()
    return who, packet[20], packet[21]


def test_a_trace_shows_every_hop(world):
    udp.config(world)
    first, second = udp.joined(world, 2)
    hops = [_probe(first.netns, second.address, ttl) for ttl in range(1, 5)]
    assert hops == [
        (first.host.gateway, 11, 0),
        (udp.overlay_address(first.host), 11, 0),
        (udp.overlay_address(second.host), 11, 0),
        (second.address, 3, 3),
    ]


def test_a_destination_without_peer_is_unreachable_at_a_limited_rate(world):
    udp.config(world)
    first, _ = udp.joined(world, 2, "-v=1")
    who, kind, code = _probe(first.netns, "10.5.250.1", 64)
    assert (who, kind, code) == (udp.overlay_address(first.host), 3, 0)
    assert _probe(first.host.netns, "10.5.250.1", 64)[1:] == (3, 0)
    sender = Mailbox(first.netns)
    for _ in range(3000):
        try:
            sender.send(b"x", "10.5.250.1", 9)
        except OSError:
            pass  # an unreachable that has come for one before
    sender.close()
    found = udp.counters(first.host)
    assert found["dropped_no_peer_packets"] >= 2000
    assert 20 <= found["icmp_errors"] < 1000
    assert found["icmp_limited_errors"] >= 1000


def test_a_loop_of_one_packet_at_a_time_speaks_the_same(world):
    udp.config(world)
    container = world.container(world.host().start())
    loop = world.keep(udp.LoopHost(world, 99, container.host))
    loop.reach(container.address)
    assert container.pings(loop.overlay)
    Transfer(loop.netns, container.netns, container.address, 10 << 20, both=True).finish()
    Transfer(container.netns, loop.netns, loop.overlay, 10 << 20).finish()


def test_what_is_cut_is_what_the_kernel_would_have_cut():
    netns = Netns("cut")
    try:
        netns.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
        for number, name in enumerate(("from", "to"), 1):
            netns.batch(f"tuntap add dev {name} mode tun vnet_hdr",
                        f"addr add 10.9.{number}.1/24 dev {name}", f"link set {name} up")
        seed = str(int.from_bytes(os.urandom(4), "big"))
        done = netns.run(f"{PROGRAMS}/cut_peer", "from", "to", "2000", seed, check=False)
        assert done.returncode == 0, f"seed {seed}: {done.stdout}{done.stderr}"
        print(done.stdout)
    finally:
        netns.delete()


def test_traffic_of_the_host_itself_is_counted(world):
    udp.config(world)
    first, second = udp.joined(world, 2, "-v=1")
    Transfer(first.host.netns, second.host.netns, second.host.gateway, 5 << 20).finish()
    assert udp.counters(first.host)["sent_bytes"] > 5 << 20
    assert udp.counters(second.host)["received_bytes"] > 5 << 20
