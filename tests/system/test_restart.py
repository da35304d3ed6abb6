"""A restart touches no row and loses no packet (K7); rows of who left meanwhile go (K3)."""

import re
import signal

import pytest

from harness import kernel
from harness.kinds import KINDS, WIDE, configure, crowd, wait_of
from harness.notices import Notices
from harness.wait import wait_equal, wait_until

PEERS = 1000


def settled(host):
    """How often all that was declared has been acknowledged, in all runs."""
    return len(re.findall(r"(\d+) rows declared, \1 installed, 0 failed, 0 in conflict",
                          host.log()))


def start_settled(host):
    before = settled(host)
    host.start("-v=1", "--ip-masq")
    wait_until(lambda: settled(host) > before, "all rows stand", 30)


@pytest.mark.parametrize("kind", KINDS)
def test_the_kernel_has_nothing_to_announce_over_a_restart(world, kind):
    configure(world, kind, **WIDE)
    peers = crowd(world, kind, PEERS)
    host = world.host()
    start_settled(host)
    wait_of(kind)(host, *peers, timeout=30)
    kernel.wait_addresses(host.netns)
    notices = world.keep(Notices(host.netns))
    for number in signal.SIGTERM, signal.SIGKILL:
        host.daemon.stop(number)
        start_settled(host)
        seen = notices.take()
        print(f"{kind}: {sum(seen.values())} announcements over {number.name} and a start with "
              f"{PEERS} peers")
        assert seen == {}
    gone = peers[::100]
    for peer in gone:
        world.drop(peer)
    host.wait_log(f"{gone[-1].subnet} is gone")
    assert notices.take(), "it hears nothing at all"


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_peers_that_left_meanwhile_go_and_no_other(world, kind):
    configure(world, kind, **WIDE)
    peers = crowd(world, kind, 100)
    host = world.host()
    start_settled(host)
    theirs = ["route add 10.150.0.0/24 via 192.168.0.1", "route add 10.150.1.0/24 dev eth0 metric 5",
              f"route add {peers[5].subnet} via 192.168.0.1 metric 50 proto bird"]
    host.netns.batch(*theirs)
    kernel.wait_addresses(host.netns)
    assert host.stop() == 0
    gone, stay = peers[:3], peers[3:]
    for peer in gone:
        world.drop(peer)
    notices = world.keep(Notices(host.netns))
    start_settled(host)
    wait_of(kind)(host, *stay)
    wait_equal(lambda: len(kernel.nexthops(host.netns)), len(stay), "no nexthop is left over")
    seen = notices.take()
    print(f"{kind}: {seen} for 3 of 100 peers that left")
    assert set(seen) <= {"DELROUTE", "DELNEIGH", "DELNEXTHOP"}, "a row was made again"
    assert (seen["DELROUTE"], seen["DELNEXTHOP"]) == (3, 3)
    left = {r["dst"] for r in host.netns.json("ip route show")}
    assert {"10.150.0.0/24", "10.150.1.0/24"} <= left
    assert [r["dst"] for r in host.netns.json("ip route show proto bird")] == [peers[5].subnet]


@pytest.mark.parametrize("kind", KINDS)
def test_no_packet_is_lost_over_stop_start_and_kill_of_both_ends(world, kind):
    configure(world, kind)
    hosts = world.joined(2, "--ip-masq", wait=wait_of(kind))
    here, there = (world.container(host) for host in hosts)
    here.reach(there)
    there.reach(here)
    streams = here.stream(there, 6), there.stream(here, 6)
    for number in signal.SIGTERM, signal.SIGKILL:
        for host in hosts:
            host.daemon.stop(number)
            host.start("--ip-masq")
        for host, other in zip(hosts, hosts[::-1]):
            wait_of(kind)(host, other)
    assert all(stream.running() for stream in streams), "the restarts took longer than the pings"
    lost = [stream.lost() for stream in streams]
    print(f"{kind}: {lost} of 2 x 600 packets lost over two restarts of both ends")
    assert lost == [0, 0]
