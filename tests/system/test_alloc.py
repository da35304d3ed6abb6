"""alloc: a lease and subnet.env; who forwards is somebody else's business."""

import itertools

import pytest

from harness import kernel
from harness.wait import holds, wait_equal

MEGABYTE = 1 << 20


@pytest.fixture(name="alloc_world")
def _alloc_world(world):
    world.config(Backend={"Type": "alloc"})
    return world


def test_it_leases_and_forwards_nothing(alloc_world):
    hosts = [alloc_world.host().start() for _ in range(3)]
    for host in hosts:
        assert host.lease()["value"] == {"PublicIP": host.address, "BackendType": "alloc"}
        assert host.subnet_env()["FLANNEL_MTU"] == "1500"
    assert len({host.subnet for host in hosts}) == 3

    def untouched():
        return all(kernel.routes(host.netns) == {} and kernel.nexthops(host.netns) == [] and
                   {link["ifname"] for link in host.netns.json("ip link show")} == {"lo", "eth0"}
                   for host in hosts)
    holds(untouched, "no route and no device", 0.3)


def test_the_routes_of_somebody_else_carry_the_containers_of_three_hosts(alloc_world):
    hosts = [alloc_world.host().start("--ip-masq") for _ in range(3)]
    for host, other in itertools.permutations(hosts, 2):
        host.netns.batch(f"route add {other.subnet} via {other.address}")
    containers = [alloc_world.container(host) for host in hosts]
    for one, other in itertools.permutations(containers, 2):
        one.reach(other)
    containers[0].transfer(containers[2], 100 * MEGABYTE)
    stream = containers[0].stream(containers[1], 2)
    before = hosts[0].netns.run("ip", "route", "show").stdout
    hosts[0].restart("--ip-masq")
    assert hosts[0].netns.run("ip", "route", "show").stdout == before
    assert stream.running()
    assert stream.lost() == 0


def test_peers_are_ignored_and_counted(alloc_world):
    alloc_world.put_lease("10.5.200.0/24", "192.168.200.200", None, kind="alloc")
    alloc_world.peer(201)
    host = alloc_world.host().start()
    host.wait_log("2 leases of other hosts: 0 reached, 2 ignored or of another backend")
    alloc_world.put_lease("10.5.202.0/24", "192.168.200.202", None, kind="alloc")
    host.wait_log("10.5.202.0/24 of 192.168.200.202: ignored: alloc forwards nothing")


def test_routes_of_the_backend_before_are_removed(world):
    world.config(Backend={"Type": "host-gw"})
    host = world.host().start()
    host.wait_gateways(world.gateway_peer(200))
    world.config(Backend={"Type": "alloc"})
    host.restart()
    wait_equal(lambda: (kernel.routes(host.netns), kernel.nexthops(host.netns)), ({}, []),
               "what host-gw has made is gone")


def test_the_public_address_may_be_another_one(alloc_world):
    host = alloc_world.host().start("--public-ip=203.0.113.7")
    assert host.lease()["value"]["PublicIP"] == "203.0.113.7"


def test_a_host_that_leaves_or_comes_changes_nothing(world):
    world.config(Backend={"Type": "alloc"})
    host = world.host().start()
    before = host.netns.run("ip", "-d", "route", "show").stdout
    peer = world.peer(200)
    host.wait_log(f"{peer.subnet} of {peer.address}: ignored")
    world.drop(peer)
    host.wait_log(f"{peer.subnet} is gone")
    assert host.netns.run("ip", "-d", "route", "show").stdout == before
