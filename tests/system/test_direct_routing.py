"""vxlan's DirectRouting: no encapsulation where a peer is on the link, decided again when routes
change (K8)."""

import itertools
import random
import time

import pytest

from harness import kernel
from harness.host import Host
from harness.wait import holds, wait_equal, wait_until

MEGABYTE = 1 << 20
NO_ROWS = {"routes": {}, "neighbours": {}, "fdb": {}}


def configure(world, direct=True):
    """Hosts get 10.5.1.0 to 10.5.99.0; what is beyond is for fake peers."""
    world.config(Backend={"Type": "vxlan", "VNI": world.vni, "DirectRouting": direct},
                 SubnetMax="10.5.99.0")


@pytest.fixture(name="direct_world")
def _direct_world(world):
    configure(world)
    return world


def host_in(world):
    """The filter of reverse paths must be loose where ways are asymmetric, as the manual says."""
    host = world.host()
    host.netns.sysctl("net.ipv4.conf.all.rp_filter", 2)
    return host


def joined(world, count):
    hosts = [host_in(world) for _ in range(count)]
    for host in hosts:
        host.start()
    for host in hosts:
        host.wait_gateways(*(other for other in hosts if other is not host))
    return hosts


def router_in(world):
    """A router on the link of all hosts: namespace, address."""
    netns, address = world.outsider()
    for name in "all", "eth0":
        netns.sysctl(f"net.ipv4.conf.{name}.send_redirects", 0)
    return netns, address


def test_peers_on_the_link_are_reached_without_encapsulation(direct_world):
    hosts = joined(direct_world, 3)
    containers = [direct_world.container(host) for host in hosts]
    for one, other in itertools.permutations(containers, 2):
        one.reach(other)
    containers[0].transfer(containers[1], 100 * MEGABYTE)
    for host in hosts:
        assert kernel.rows(host.netns, host.device) == NO_ROWS
        assert kernel.packets(host.netns, host.device) == (0, 0)
    assert {c.mtu for c in containers} == {1450}, "for the peers that are behind a router"


def test_a_peer_behind_a_router_among_peers_on_the_link(direct_world):
    hosts = [host_in(direct_world) for _ in range(3)]
    netns, router = router_in(direct_world)
    far = hosts[2]
    far.netns.batch(*(f"route add {host.address} via {router}" for host in hosts[:2]))
    for host in hosts[:2]:
        host.netns.batch(f"route add {far.address} via {router}")
    for host in hosts:
        host.start()
    hosts[0].wait_gateways(hosts[1])
    hosts[0].wait_peers(far)
    hosts[1].wait_gateways(hosts[0])
    hosts[1].wait_peers(far)
    far.wait_gateways()
    far.wait_peers(*hosts[:2])
    containers = [direct_world.container(host) for host in hosts]
    for one, other in itertools.permutations(containers, 2):
        one.reach(other)
    before = kernel.packets(netns, "eth0")[0]
    containers[2].transfer(containers[0], 100 * MEGABYTE)
    assert kernel.packets(netns, "eth0")[0] - before > 1000, "it went through the router"
    with kernel.monitor(hosts[0].netns, hosts[0].folder) as changes:
        hosts[0].restart()
        last = direct_world.peer(200)
        hosts[0].wait_gateways(hosts[1], last)
        wait_until(lambda: "10.5.200.0" in changes(), "the monitor sees the new peer")
    hosts[0].wait_peers(far)
    assert not [line for line in changes().splitlines()
                if "proto 70" in line and "10.5.200.0" not in line and last.address not in line]


def test_no_packet_is_lost_when_a_peer_is_put_behind_a_router_and_back(direct_world):
    hosts = joined(direct_world, 2)
    _, router = router_in(direct_world)
    here, there = (direct_world.container(host) for host in hosts)
    here.reach(there)
    there.reach(here)
    streams = here.stream(there, 6), there.stream(here, 6)
    sides = (hosts[0], hosts[1]), (hosts[1], hosts[0])
    for host, other in sides:
        host.netns.batch(f"route add {other.address} via {router}")
        host.wait_peers(other)
        host.wait_gateways()
        holds(lambda: all(s.running() for s in streams), "pings with one side encapsulated", 0.3)
    for host, other in sides:
        host.netns.batch(f"route del {other.address}")
        host.wait_gateways(other)
        wait_until(lambda h=host: kernel.rows(h.netns, h.device) == NO_ROWS, "the rest is gone")
        holds(lambda: all(s.running() for s in streams), "pings with one side direct", 0.3)
    assert [stream.lost() for stream in streams] == [0, 0]
    assert kernel.nexthops(hosts[0].netns) == [hosts[1].address]


def test_another_link_without_a_gateway_is_taken_as_well(direct_world):
    host = host_in(direct_world)
    host.netns.batch("link add eth1 type veth peer name far1", "link set far1 up",
                     "link set eth1 up", "addr add 172.31.0.1/24 dev eth1")
    host.start()
    peer = direct_world.peer(200, address="172.31.0.9")
    wait_until(lambda: kernel.gateways(host.netns, "eth1") == {peer.subnet: peer.address},
               "a direct route by the other link")
    host.netns.batch("link set eth1 down")
    host.wait_peers(peer)


def test_the_direct_way_goes_and_returns_with_the_link(direct_world):
    host = host_in(direct_world).start()
    peer = direct_world.peer(200)
    host.wait_gateways(peer)
    host.netns.batch("link set eth0 down")
    host.wait_peers(peer)
    host.netns.batch("link set eth0 up")
    host.wait_gateways(peer)
    wait_until(lambda: kernel.rows(host.netns, host.device) == NO_ROWS, "the rest is gone")
    assert kernel.nexthops(host.netns) == [peer.address]


def test_a_direct_peer_that_leaves_or_turns_bad(direct_world):
    host = host_in(direct_world).start()
    goes, stays = direct_world.peer(200), direct_world.peer(201)
    host.wait_gateways(goes, stays)
    direct_world.put_lease(stays.subnet, stays.address, "no MAC")
    host.wait_log("it is reached as before")
    direct_world.drop(goes)
    host.wait_gateways(stays)
    assert kernel.nexthops(host.netns) == [stays.address]


def test_the_static_route_of_a_user_is_left_alone_on_the_direct_way(direct_world):
    host = host_in(direct_world)
    host.netns.batch("route add 10.5.200.0/24 via 192.168.0.1 proto static")
    host.start()
    direct_world.peer(200)
    other = direct_world.peer(201)
    host.wait_gateways(other)
    host.wait_log("10.5.200.0/24: route conflicts with one of protocol static")
    found = host.netns.json("ip route show 10.5.200.0/24")
    assert [(r["gateway"], r["protocol"]) for r in found] == [("192.168.0.1", "static")]


def test_no_packet_is_lost_when_direct_routing_is_turned_on_and_off(world):
    configure(world, direct=False)
    hosts = [host_in(world).start() for _ in range(2)]
    for host, other in (hosts, reversed(hosts)):
        host.wait_peers(other)
    here, there = (world.container(host) for host in hosts)
    here.reach(there)
    there.reach(here)
    streams = here.stream(there, 6), there.stream(here, 6)
    for direct, wait in ((True, Host.wait_gateways), (False, Host.wait_peers)):
        configure(world, direct)
        for host, other in ((hosts[0], hosts[1]), (hosts[1], hosts[0])):
            host.restart()
            wait(host, other)
    assert all(stream.running() for stream in streams), "the restarts took longer than the pings"
    assert [stream.lost() for stream in streams] == [0, 0]
    assert kernel.routes(hosts[0].netns) == {hosts[1].subnet: hosts[0].device}


def test_a_strict_filter_of_reverse_paths_is_named(direct_world):
    host = direct_world.host()
    for name in "all", "default", "eth0":
        host.netns.sysctl(f"net.ipv4.conf.{name}.rp_filter", 0)
    host.start()
    assert "rp_filter" not in host.log()
    host.netns.sysctl("net.ipv4.conf.eth0.rp_filter", 1)
    host.restart()
    assert "net.ipv4.conf.eth0.rp_filter is 1" in host.log()


@pytest.mark.parametrize("compatible", [0, 1])
def test_a_restart_touches_nothing_on_either_way(direct_world, compatible):
    host = host_in(direct_world)
    host.netns.sysctl("net.ipv4.nexthop_compat_mode", compatible)
    host.start()
    direct, far = direct_world.peer(200), direct_world.peer(201, address="172.30.1.9")
    gateways = sorted([direct.address, far.subnet.partition("/")[0]])
    wait_equal(lambda: kernel.nexthops(host.netns), gateways, "both are reached")
    with kernel.monitor(host.netns, host.folder) as changes:
        host.restart()
        last = direct_world.peer(202)
        wait_until(lambda: "10.5.202.0" in changes(), "the monitor sees the new peer")
    assert not [line for line in changes().splitlines()
                if "10.5.200.0" in line or "10.5.201.0" in line]
    assert kernel.nexthops(host.netns) == sorted([*gateways, last.address])


def test_ways_that_change_all_the_time_end_up_right(direct_world):
    host = host_in(direct_world)
    _, router = router_in(direct_world)
    peers = [direct_world.peer(third, address=f"192.168.150.{third}") for third in range(100, 220)]
    host.start()
    choose, behind = random.Random(1), set()
    host.wait_gateways(*peers)
    for turn in range(30):
        moved = choose.sample(peers, 25)
        host.netns.batch(*(f"route {'del' if p in behind else 'add'} {p.address} via {router}"
                           for p in moved))
        behind ^= set(moved)
        time.sleep(choose.choice((0.0, 0.02, 0.06, 0.12)))
        if turn == 20:
            host.kill()
            host.start()
    host.wait_peers(*behind)
    host.wait_gateways(*(p for p in peers if p not in behind))
    wait_equal(lambda: len(kernel.nexthops(host.netns)), len(peers), "no nexthop is left over")
    wait_equal(lambda: len(kernel.rows(host.netns, host.device)["fdb"]), len(behind),
               "no FDB entry is left over")
