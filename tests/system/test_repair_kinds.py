"""What others do to rows is undone whatever the backend (K2), also where the announcement was lost
(K6); rows of several leases stay until the last one goes (K9). Times are printed: what is asserted
is what a busy machine does not blur."""

import signal
import time

import pytest

from harness import kernel
from harness.kinds import KINDS, WIDE, configure, crowd, wait_of
from harness.notices import Notices
from harness.wait import wait_equal

PEERS = 50
MANY = 10000


def started(world, kind, count):
    configure(world, kind, **WIDE)
    peers = crowd(world, kind, count)
    host = world.host().start("-v=1")
    wait_of(kind)(host, *peers, timeout=60)
    return host, peers


def remove(host, what, peers):
    """All routes, each alone; or all nexthop objects, and with them the routes, at once."""
    if what == "routes":
        host.netns.batch(*(f"route del {peer.subnet}" for peer in peers))
    else:
        host.netns.run("ip", "nexthop", "flush", "proto", kernel.PROTOCOL)


@pytest.mark.parametrize("what", ["routes", "nexthops"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_removed_is_back_at_once(world, kind, what):
    host, peers = started(world, kind, PEERS)
    notices, cpu = world.keep(Notices(host.netns)), host.daemon.cpu_seconds()
    begin = time.monotonic()
    remove(host, what, peers)
    notices.wait("NEWROUTE", PEERS)
    print(f"{kind}: {PEERS} {what} removed: back {(time.monotonic() - begin) * 1000:.0f} ms after "
          "the first was")
    assert host.daemon.cpu_seconds() - cpu < 0.1
    wait_of(kind)(host, *peers)
    wait_equal(lambda: len(kernel.nexthops(host.netns)), PEERS, "nothing is there twice")


def test_many_routes_that_are_removed_are_back(world):
    """Measured from the end of the removal, which is as long as ip(8) takes; the bound is loose."""
    host, peers = started(world, "vxlan", MANY)
    notices, cpu = world.keep(Notices(host.netns)), host.daemon.cpu_seconds()
    remove(host, "routes", peers)
    seconds = notices.wait("NEWROUTE", MANY)
    print(f"vxlan: {MANY} routes removed: back {seconds * 1000:.0f} ms after the last one was, by "
          f"{(host.daemon.cpu_seconds() - cpu) * 1000:.0f} ms of CPU time")
    assert seconds < 5
    wait_of("vxlan")(host, *peers, timeout=60)


@pytest.mark.parametrize("kind", ["direct", "host-gw"])
def test_an_overrun_of_announcements_is_survived(world, kind):
    """As that of vxlan in test_repair: what was lost is found by comparing (K6)."""
    host, peers = started(world, kind, PEERS)
    host.daemon.send(signal.SIGSTOP)
    try:
        routes = [f"172.20.{i}.0/24 dev eth0 proto 70" for i in range(250)]
        host.netns.batch(*[f"route {verb} {route}" for verb in ("add", "del")
                           for route in routes] * 120)
        remove(host, "routes", peers)
    finally:
        host.daemon.send(signal.SIGCONT)
    begin = time.monotonic()
    wait_of(kind)(host, *peers)
    print(f"{kind}: overrun: seen back after {(time.monotonic() - begin) * 1000:.0f} ms")
    assert "announcements of the kernel were lost" in host.log()


@pytest.mark.parametrize("what", ["neigh", "fdb"])
def test_neighbours_and_fdb_entries_are_back_each_alone(world, what):
    host, peers = started(world, "vxlan", PEERS)
    begin = time.monotonic()
    if what == "neigh":
        host.netns.run("ip", "neigh", "flush", "dev", host.device, "nud", "permanent")
    else:
        host.netns.run("bridge", "-batch", "-", input="".join(
            f"fdb del {peer.mac} dev {host.device}\n" for peer in peers))
    wait_of("vxlan")(host, *peers)
    print(f"vxlan: {PEERS} {what} removed: seen back after {(time.monotonic() - begin) * 1000:.0f} ms")


@pytest.mark.parametrize("kind", KINDS)
def test_leases_of_one_address_share_rows_until_the_last_goes(world, kind):
    configure(world, kind)
    host = world.host().start()
    make = world.gateway_peer if kind == "host-gw" else world.peer
    more = {} if kind == "host-gw" else {"mac": "0a:11:22:33:44:55"}
    first, second = (make(third, address="192.168.201.9", **more) for third in (200, 201))
    wait_of(kind)(host, first, second)
    notices = world.keep(Notices(host.netns))
    world.drop(first)
    wait_of(kind)(host, second)
    seen = notices.take()
    print(f"{kind}: one of two leases behind one address goes: {seen}")
    assert seen.get("DELROUTE") == 1
    assert not [name for name in seen if name.startswith("NEW")], "the other one was touched"
