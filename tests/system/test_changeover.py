"""From flannel, in Go, to this flanneld: what it leaves is taken over under traffic."""

import pytest

from harness import kernel
from harness.go_flannel import GoFlannel
from harness.host import Host
from harness.wait import holds, wait_equal, wait_until

# How flannel's routes are told from ours: by their protocol.
BOOT = "boot"


class Left:
    """A host as flannel 0.11 leaves it: lease, subnet.env, device and rows; nothing runs."""

    def __init__(self, world, number, kind):
        self.world = world
        self.kind = kind
        self.host = world.host()
        self.flannel = GoFlannel(self.host)
        self.subnet = f"10.5.{number}.0/24"
        self.address = self.host.address
        self.device = self.host.device
        self.mac = None
        if kind != "host-gw":
            self.flannel.vxlan(self.device, world.vni)
            self.flannel.configure(self.device, f"10.5.{number}.0")
            self.mac = kernel.device(self.host.netns, self.device)["address"]
        world.put_lease(self.subnet, self.address, self.mac, ttl=3600,
                        kind="host-gw" if kind == "host-gw" else "vxlan")
        self._write_subnet_env(number)

    def _write_subnet_env(self, number):
        self.host.netns.run("mkdir", "-p", self.host.subnet_file.rpartition("/")[0])
        mtu = 1500 if self.kind == "host-gw" else 1450
        with open(self.host.subnet_file, "w", encoding="ascii") as file:
            file.write(f"FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.{number}.1/24\n"
                       f"FLANNEL_MTU={mtu}\nFLANNEL_IPMASQ=false\n")

    def reaches(self, peer):
        if self.kind == "host-gw":
            self.flannel.gateway_peer(peer)
        elif self.kind == "direct":
            self.flannel.direct_peer(peer)
        else:
            self.flannel.vxlan_peer(self.device, peer)


def fake(world, third, kind):
    return world.gateway_peer(third) if kind == "host-gw" else world.peer(third)


def config(world, kind):
    world.config(SubnetMax="10.5.99.0", Backend={
        "vxlan": {"Type": "vxlan", "VNI": world.vni},
        "direct": {"Type": "vxlan", "VNI": world.vni, "DirectRouting": True},
        "host-gw": {"Type": "host-gw"}}[kind])


def protocols(host):
    """{subnet: protocol} of all routes into the network."""
    return {r["dst"]: r.get("protocol") for r in host.netns.json("ip route show root 10.5.0.0/16")}


@pytest.mark.parametrize("kind", ["vxlan", "direct", "host-gw"])
def test_the_exchange_loses_no_packet_and_forgets_who_left(world, kind):
    config(world, kind)
    left = [Left(world, number, kind) for number in (7, 8)]
    stays, goes = fake(world, 200, kind), fake(world, 201, kind)
    for one, other in (left, left[::-1]):
        for peer in other, stays, goes:
            one.reaches(peer)
    world.drop(goes)
    here, there = (world.container(one.host) for one in left)
    here.reach(there)
    there.reach(here)
    indexes = [kernel.device(one.host.netns, one.device) for one in left]
    assert set(protocols(left[0].host).values()) >= {BOOT}
    streams = here.stream(there, 5), there.stream(here, 5)
    wait = Host.wait_peers if kind == "vxlan" else Host.wait_gateways
    for one, other in (left, left[::-1]):
        one.host.start()
        wait(one.host, other, stays)
    assert all(stream.running() for stream in streams), "it took longer than the pings"
    lost = [stream.lost() for stream in streams]
    print(f"{kind}: {lost} of 2 x 500 packets lost over the exchange")
    assert lost == [0, 0]
    for one, before in zip(left, indexes):
        now = kernel.device(one.host.netns, one.device)
        assert (now and (now["ifindex"], now["address"])) == (
            before and (before["ifindex"], before["address"])), "another device"
        assert one.host.subnet == one.subnet
        ours = {s: p for s, p in protocols(one.host).items() if p == kernel.PROTOCOL}
        assert set(ours) == {other.subnet for other in left if other is not one} | {stays.subnet}


def test_vxlan_rows_of_peers_that_left_go_and_what_others_put_there_stays(world):
    config(world, "vxlan")
    left = Left(world, 7, "vxlan")
    stays = world.peer(200)
    gone = [world.peer(third) for third in range(201, 240)]
    for peer in (stays, *gone):
        left.reaches(peer)
    for peer in gone:
        world.drop(peer)
    theirs = (
        "10.5.250.0/24 via 10.5.250.0 dev {device} onlink proto static",
        "10.5.251.0/24 via 10.5.251.0 dev {device} onlink metric 9",
        "10.5.252.0/24 dev {device}",
        "10.5.253.0/24 via 10.5.253.9 dev {device} onlink",
        "10.9.1.0/24 via 10.9.1.0 dev {device} onlink proto static",
    )
    left.host.netns.batch(*("route add " + line.format(device=left.device) for line in theirs))
    left.host.start().wait_peers(stays)
    wait_equal(lambda: set(kernel.rows(left.host.netns, left.device)["neighbours"]),
               {"10.5.200.0"}, "neighbours of those that left are gone")
    expected = {"10.5.200.0/24", *(line.partition(" ")[0] for line in theirs)}
    wait_equal(lambda: {r["dst"] for r in left.host.netns.json(
        f"ip route show dev {left.device}")}, expected, "routes of those that left are gone")
    holds(lambda: {line.partition(" ")[0] for line in theirs} <= {r["dst"] for r in
          left.host.netns.json(f"ip route show dev {left.device}")}, "theirs stay", 0.5)


def test_nothing_that_flannel_left_goes_before_all_leases_are_known(own_world):
    config(own_world, "vxlan")
    left = Left(own_world, 7, "vxlan")
    goes = own_world.peer(200)
    left.reaches(goes)
    own_world.drop(goes)
    own_world.etcd.pause()
    try:
        left.host.start(ready=False)
        holds(lambda: goes.subnet in protocols(left.host), "its rows stay", 1.5)
    finally:
        own_world.etcd.resume()
    left.host.wait_ready()
    wait_until(lambda: goes.subnet not in protocols(left.host), "then they go")


def test_routes_on_the_underlay_that_no_lease_needs_may_be_anybody_s_and_stay(world):
    config(world, "host-gw")
    left = Left(world, 7, "host-gw")
    stays, goes = world.gateway_peer(200), world.gateway_peer(201)
    for peer in stays, goes:
        left.reaches(peer)
    world.drop(goes)
    left.host.start().wait_gateways(stays)
    wait_until(lambda: protocols(left.host).get(stays.subnet) == kernel.PROTOCOL, "it is ours")
    holds(lambda: protocols(left.host).get(goes.subnet) == BOOT, "the other one stays", 0.5)
