"""host-gw: plain routes by the other hosts' addresses, on the link of the underlay."""

import itertools
import signal
import time

import pytest

from harness import kernel
from harness.host import Host
from harness.wait import holds, wait_equal, wait_until

MEGABYTE = 1 << 20


@pytest.fixture(name="gw_world")
def _gw_world(world):
    configure(world, {"Type": "host-gw"})
    return world


def configure(world, backend):
    """Hosts get 10.5.1.0 to 10.5.99.0; what is beyond is for fake peers."""
    world.config(Backend=backend, SubnetMax="10.5.99.0")


def joined(world, count, *flags):
    return world.joined(count, *flags, wait=Host.wait_gateways)


def counted(host, text):
    """The summary of the last snapshot says so."""
    lines = [line for line in host.log().splitlines() if "leases of other hosts" in line]
    return lines and text in lines[-1]


def test_containers_on_three_hosts_reach_each_other(gw_world):
    containers = [gw_world.container(host) for host in joined(gw_world, 3)]
    assert {c.mtu for c in containers} == {1500}
    for one, other in itertools.permutations(containers, 2):
        one.reach(other)
        assert one.pings(other.address, "-M", "do", "-s", "1472")
        one.transfer(other, MEGABYTE)
    containers[0].transfer(containers[1], 100 * MEGABYTE)
    containers[2].transfer(containers[0], 100 * MEGABYTE)


def test_hosts_and_containers_see_each_other_s_own_addresses(gw_world):
    hosts = joined(gw_world, 2, "--ip-masq")
    here, there = (gw_world.container(host) for host in hosts)
    here.reach(there)
    listener = gw_world.listener(there.netns)
    assert listener.caller_from(here.netns, there.address) == here.address
    assert listener.caller_from(hosts[0].netns, there.address) == hosts[0].address


def test_the_lease_is_what_flannel_writes(gw_world):
    host = gw_world.host().start()
    assert host.lease()["value"] == {"PublicIP": host.address, "BackendType": "host-gw"}


def test_there_is_no_device_and_no_neighbour_of_ours(gw_world):
    hosts = joined(gw_world, 2)
    for host in hosts:
        links = {link["ifname"] for link in host.netns.json("ip link show")}
        assert links == {"lo", "eth0"}
        assert kernel.nexthops(host.netns) == [o.address for o in hosts if o is not host]
        states = [n["state"] for n in host.netns.json("ip -4 neigh show dev eth0")]
        assert ["PERMANENT"] not in states


def test_the_mtu_is_the_underlay_s(gw_world):
    host = gw_world.host()
    host.netns.batch("link set eth0 mtu 1400")
    host.start()
    assert host.subnet_env()["FLANNEL_MTU"] == "1400"


def test_no_packet_is_lost_over_restarts_and_no_route_is_touched(gw_world):
    hosts = joined(gw_world, 2)
    here, there = (gw_world.container(host) for host in hosts)
    here.reach(there)
    there.reach(here)
    streams = here.stream(there, 4), there.stream(here, 4)
    with kernel.monitor(hosts[0].netns, hosts[0].folder) as first, \
            kernel.monitor(hosts[1].netns, hosts[1].folder) as second:
        for host in hosts:
            host.restart()
        for host in hosts:
            host.daemon.stop(signal.SIGKILL)
            host.start()
        last = gw_world.gateway_peer(200)
        for host, other in zip(hosts, reversed(hosts)):
            host.wait_gateways(other, last)
        for log in first, second:
            wait_until(lambda log=log: "10.5.200.0" in log(), "the monitor sees the new peer")
    assert all(stream.running() for stream in streams), "the restarts took longer than the pings"
    assert [stream.lost() for stream in streams] == [0, 0]
    for log in first, second:
        ours = [line for line in log().splitlines()
                if "proto 70" in line and "10.5.200.0" not in line and last.address not in line]
        assert ours == []


def test_a_peer_that_leaves_takes_its_route_and_nexthop_along(gw_world):
    host = gw_world.host().start()
    stays, goes = gw_world.gateway_peer(200), gw_world.gateway_peer(201)
    host.wait_gateways(stays, goes)
    gw_world.drop(goes)
    host.wait_gateways(stays)
    wait_equal(lambda: kernel.nexthops(host.netns), [stays.address], "its nexthop is gone")


def test_peers_that_left_while_the_daemon_was_down_are_swept(gw_world):
    host = gw_world.host().start()
    stays, goes = gw_world.gateway_peer(200), gw_world.gateway_peer(201)
    host.wait_gateways(stays, goes)
    host.netns.batch("route add 10.5.250.0/24 via 192.168.0.1",
                     "route add 10.5.251.0/24 dev eth0 proto static")
    assert host.stop() == 0
    gw_world.drop(goes)
    host.start().wait_gateways(stays)
    wait_equal(lambda: kernel.nexthops(host.netns), [stays.address], "its nexthop is gone")
    routes = {route["dst"] for route in host.netns.json("ip route show")}
    assert {"10.5.250.0/24", "10.5.251.0/24"} <= routes


def test_a_peer_that_moves_is_followed(gw_world):
    host = gw_world.host().start()
    host.wait_gateways(gw_world.gateway_peer(200))
    host.wait_gateways(gw_world.gateway_peer(200, "192.168.201.9"))


def test_two_leases_behind_one_address_share_a_nexthop_until_the_last_goes(gw_world):
    host = gw_world.host().start()
    first = gw_world.gateway_peer(200, "192.168.201.9")
    second = gw_world.gateway_peer(201, "192.168.201.9")
    host.wait_gateways(first, second)
    assert kernel.nexthops(host.netns) == ["192.168.201.9"]
    gw_world.drop(first)
    host.wait_gateways(second)


# --- peers that are not on the link


def test_a_peer_behind_a_gateway_is_named_and_reached_once_a_route_leads_there(gw_world):
    host = gw_world.host().start()
    near, far = gw_world.gateway_peer(200), gw_world.gateway_peer(201, "172.30.1.9")
    host.wait_log("10.5.201.0/24 of 172.30.1.9: not reached: it is behind the gateway "
                  "192.168.0.1 on eth0, but must be on the link of eth0")
    host.wait_gateways(near)
    host.netns.batch("route add 172.30.1.9 dev eth0")
    host.wait_gateways(near, far)
    host.netns.batch("route del 172.30.1.9 dev eth0")
    host.wait_gateways(near)
    host.restart()
    host.wait_gateways(near)
    wait_until(lambda: counted(host, "1 reached, 0 ignored or of another backend, 1 waiting"),
               "it is counted")
    host.netns.batch("route add 172.30.0.0/16 dev eth0")
    host.wait_gateways(near, far)


def test_a_peer_on_another_interface_or_nowhere_is_named(gw_world):
    host = gw_world.host()
    host.netns.batch("link add eth1 type veth peer name far1", "link set far1 up",
                     "link set eth1 up", "addr add 172.31.0.1/24 dev eth1",
                     "route add unreachable 172.29.0.0/16")
    host.start()
    gw_world.gateway_peer(200, "172.31.0.9")
    host.wait_log("on the link of eth1, but must be on that of eth0")
    gw_world.gateway_peer(201, "172.29.0.9")
    host.wait_log("10.5.201.0/24 of 172.29.0.9: not reached: there is no route to it")
    gw_world.gateway_peer(202, "192.168.255.255")
    host.wait_log("10.5.202.0/24 of 192.168.255.255: not reached")
    gw_world.gateway_peer(203, "172.31.0.1")
    host.wait_log("10.5.203.0/24 of 172.31.0.1: not reached: its PublicIP is an address of this")
    good = gw_world.gateway_peer(204)
    host.wait_gateways(good)


def test_a_peer_that_is_put_behind_a_router_loses_its_route_and_gets_it_back(gw_world):
    hosts = joined(gw_world, 3)
    _, router = gw_world.outsider()
    moved = hosts[2]
    hosts[0].netns.batch(f"route add {moved.address} via {router}")
    hosts[0].wait_gateways(hosts[1])
    hosts[0].wait_log(f"{moved.subnet} of {moved.address}: not reached: it is behind the gateway "
                      f"{router} on eth0")
    hosts[1].wait_gateways(hosts[0], moved)
    hosts[0].netns.batch(f"route del {moved.address}")
    hosts[0].wait_gateways(hosts[1], moved)
    here, there = gw_world.container(hosts[0]), gw_world.container(moved)
    here.reach(there)


def test_the_routes_return_with_the_link(gw_world):
    host = gw_world.host().start()
    peer = gw_world.gateway_peer(200)
    host.wait_gateways(peer)
    host.netns.batch("link set eth0 down")
    host.wait_log("10.5.200.0/24 of 192.168.200.200: not reached: there is no route to it")
    host.netns.batch("link set eth0 up")
    host.wait_gateways(peer)


def test_a_link_with_many_peers_goes_and_comes(gw_world):
    host = gw_world.host().start()
    peers = [gw_world.gateway_peer(third) for third in range(100, 250)]
    host.wait_gateways(*peers)
    lines = len(host.log().splitlines())
    for _ in range(3):
        host.netns.batch("link set eth0 down")
        host.wait_gateways()
        wait_until(lambda: "more lines like these" in host.log(), "it has noticed")
        time.sleep(0.1)
        host.netns.batch("link set eth0 up")
        host.wait_gateways(*peers)
    assert len(host.log().splitlines()) - lines < 120
    assert len(kernel.nexthops(host.netns)) == len(peers)


def test_routes_of_its_own_do_not_wake_it(gw_world):
    host = gw_world.host().start()
    peer = gw_world.gateway_peer(200, "172.30.1.9")
    host.wait_log("10.5.200.0/24 of 172.30.1.9: not reached")

    def wakeups():
        status = host.daemon.proc_file("status").decode()
        return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
    before = wakeups()
    host.netns.batch(*(f"route add 172.20.{i}.0/24 dev eth0 proto 70" for i in range(250)))
    assert wakeups() - before < 20
    host.netns.batch("route add 172.30.0.0/16 dev eth0 proto static")
    host.wait_gateways(peer)


# --- what is not ours


def test_a_static_route_of_the_same_prefix_is_left_alone(gw_world):
    host = gw_world.host()
    host.netns.batch("route add 10.5.200.0/24 via 192.168.0.1 proto static")
    host.start()
    blocked, other = gw_world.gateway_peer(200), gw_world.gateway_peer(201)
    host.wait_gateways(other)
    host.wait_log("10.5.200.0/24: route conflicts with one of protocol static (eth0)")
    host.restart()
    host.wait_gateways(other)

    def theirs():
        found = host.netns.json("ip route show 10.5.200.0/24")
        return [(r["gateway"], r["protocol"]) for r in found]
    holds(lambda: theirs() == [("192.168.0.1", "static")], "the user's route stands", 0.5)
    host.netns.batch("route del 10.5.200.0/24")
    host.wait_gateways(blocked, other, timeout=20)


def test_leases_of_another_type_are_ignored_and_counted(gw_world):
    gw_world.peer(200)
    gw_world.put_lease("10.5.201.0/24", "192.168.200.201", None, kind="udp")
    good = gw_world.gateway_peer(202)
    host = gw_world.host().start()
    host.wait_gateways(good)
    assert counted(host, "3 leases of other hosts: 1 reached, 2 ignored or of another backend")
    assert kernel.routes(host.netns) == {good.subnet: "eth0"}


def test_exit_4_behind_nat(gw_world):
    host = gw_world.host()
    host.start("--public-ip=203.0.113.7", ready=False)
    assert host.wait_exit() == 4
    assert (f"PublicIP 203.0.113.7 is not the address of eth0, {host.address}: behind NAT"
            in host.log())
    assert gw_world.leases() == []


# --- from one backend to another


def test_another_type_after_a_restart_leaves_no_stale_routes(gw_world):
    hosts = joined(gw_world, 3)
    vxlan = {"Type": "vxlan", "VNI": gw_world.vni}
    for backend, wait, device in ((vxlan, Host.wait_peers, hosts[0].device),
                                  ({"Type": "host-gw"}, Host.wait_gateways, "eth0"),
                                  (vxlan, Host.wait_peers, hosts[0].device)):
        configure(gw_world, backend)
        for host in hosts:
            assert host.stop() == 0
        for host in hosts:
            host.start()
        for host in hosts:
            others = [other for other in hosts if other is not host]
            wait(host, *others)
            wait_equal(lambda h=host: kernel.routes(h.netns), {o.subnet: device for o in others},
                       "no route over another device is left")
            wait_equal(lambda h=host: len(kernel.nexthops(h.netns)), 2, "nor a nexthop")
        here, there = (gw_world.container(host) for host in hosts[:2])
        here.reach(there)
        for host in hosts[:2]:
            host.netns.batch("link del pod0")
