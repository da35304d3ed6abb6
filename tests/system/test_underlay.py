"""The interface to the other hosts changes while flanneld runs: MTU, address, index (K1, K5, S12)."""

import time

import pytest

from harness import kernel
from harness.apis import both_apis
from harness.host import Host
from harness.wait import holds, wait_equal, wait_until

OVERHEAD = {"vxlan": 50, "host-gw": 0, "direct": 50, "udp": 28}
DEVICES = {"vxlan": "flannel.{vni}", "direct": "flannel.{vni}", "udp": "flannel0"}
IP_AND_ICMP = 28

ROWS = {"vxlan": Host.wait_peers, "host-gw": Host.wait_gateways, "direct": Host.wait_gateways}
KINDS = ("vxlan", "host-gw", "direct", "udp")


class Scene:
    """Two hosts and a container on each, over one kind of backend."""

    def __init__(self, world, kind, **keys):
        self.world = world
        self.kind = kind
        backend = {"Type": "vxlan" if kind == "direct" else kind, **keys}
        if backend["Type"] == "vxlan":
            backend.update(VNI=world.vni, DirectRouting=kind == "direct")
        world.config(Backend=backend)
        self.hosts = [world.host().start() for _ in range(2)]
        self.wait_rows()
        self.containers = [world.container(host) for host in self.hosts]
        for one, other in (self.containers, self.containers[::-1]):
            one.reach(other)

    def wait_rows(self):
        wait = ROWS.get(self.kind)
        for one, other in (self.hosts, self.hosts[::-1]):
            if wait:
                wait(one, other)

    def device(self):
        """The backend's own on the first host, or None."""
        name = DEVICES.get(self.kind)
        return name and kernel.device(self.hosts[0].netns, name.format(vni=self.world.vni))

    def identity(self):
        device = self.device()
        return device and (device["ifindex"], device.get("address"))

    def reached_after(self, begin):
        """Both ways; how long it took since then, in ms."""
        for one, other in (self.containers, self.containers[::-1]):
            wait_until(lambda one=one, other=other: one.pings(other.address, "-W", "0.1"),
                       f"{one.address} reaches {other.address}", interval=0)
        return (time.monotonic() - begin) * 1000


@pytest.fixture(name="scene", params=KINDS)
def _scene(world, request):
    return Scene(world, request.param)


def say(scene, what, ms):
    print(f"{scene.kind}: {what} after {ms:.0f} ms")


# --- the MTU (K5)


def widen(container):
    """Only what is between the hosts bounds its packets."""
    container.host.netns.batch("link set pod0 mtu 9000")
    container.netns.batch("link set eth0 mtu 9000")


def largest(one, other, limit):
    """What the path takes with DF, of packets of the limit's size and one byte more."""
    one.netns.run("ip", "route", "flush", "cache")
    return [size for size in (limit, limit + 1)
            if one.pings(other.address, "-M", "do", "-s", str(size - IP_AND_ICMP))]


def check_mtu(scene, mtu):
    inside = mtu - OVERHEAD[scene.kind]
    begin = time.monotonic()
    for host in scene.hosts:
        host.set_mtu(mtu)
    for host in scene.hosts:
        wait_equal(lambda host=host: host.subnet_env()["FLANNEL_MTU"], str(inside), "subnet.env")
    say(scene, f"MTU {mtu} of the interface is {inside} in subnet.env",
        (time.monotonic() - begin) * 1000)
    if scene.device():
        wait_equal(lambda: scene.device()["mtu"], inside, "the device's MTU")
    limit = mtu if scene.kind == "direct" else inside
    for one, other in (scene.containers, scene.containers[::-1]):
        wait_until(lambda one=one, other=other: largest(one, other, limit) == [limit],
                   f"DF packets of {limit} bytes pass, one byte more does not")


def test_the_mtu_is_followed_both_ways(scene):
    for container in scene.containers:
        widen(container)
    identity = scene.identity()
    lease = scene.hosts[0].lease()
    for mtu in (1400, 1700, 1500):
        check_mtu(scene, mtu)
    assert scene.identity() == identity
    assert scene.hosts[0].lease()["modifiedIndex"] == lease["modifiedIndex"]
    assert "MTU 1700, was 1400" in scene.hosts[0].log() or OVERHEAD[scene.kind]


def test_an_mtu_that_changes_loses_no_packet(world):
    scene = Scene(world, "vxlan")
    stream = scene.containers[0].stream(scene.containers[1], 3)
    for mtu in (1400, 1500, 1450):
        scene.hosts[0].set_mtu(mtu)
        wait_equal(lambda mtu=mtu: scene.hosts[0].subnet_env()["FLANNEL_MTU"], str(mtu - 50),
                   "subnet.env")
    assert stream.running()
    assert stream.lost() == 0


@pytest.mark.parametrize("kind", ["vxlan", "udp"])
def test_an_mtu_that_is_too_small_is_said_and_not_followed(world, kind):
    scene = Scene(world, kind)
    host = scene.hosts[0]
    before = host.subnet_env()
    host.set_mtu(90)
    host.wait_log(f"eth0: its MTU is 90 now, too little for backend {kind}")
    holds(lambda: host.subnet_env() == before, "subnet.env stays", 0.3)
    assert scene.device()["mtu"] == 1500 - OVERHEAD[kind]
    assert host.daemon.running()
    host.set_mtu(1400)
    wait_equal(lambda: host.subnet_env()["FLANNEL_MTU"], str(1400 - OVERHEAD[kind]), "subnet.env")
    scene.reached_after(0)


def test_the_mtu_of_the_config_wins(world):
    scene = Scene(world, "vxlan", MTU=1300)
    host = scene.hosts[0]
    host.set_mtu(1400)
    host.wait_log("its MTU is 1400 now; that inside stays 1250")
    assert host.subnet_env()["FLANNEL_MTU"] == "1250"
    host.set_mtu(1200)
    wait_equal(lambda: host.subnet_env()["FLANNEL_MTU"], "1150", "no more than the interface has")
    host.set_mtu(1500)
    wait_equal(lambda: host.subnet_env()["FLANNEL_MTU"], "1250", "as the config says")


# --- the address (S12)


def test_a_new_address_keeps_the_subnet(scene):
    host = scene.hosts[0]
    subnet, identity = host.subnet, scene.identity()
    begin = time.monotonic()
    host.renumber(scene.world.underlay.new_address())
    ms = scene.reached_after(begin)
    say(scene, "renumbered, ping back", ms)
    assert ms < 5000  # one second of it is the wait for an address that stays
    scene.wait_rows()
    assert host.subnet == subnet
    assert host.lease()["value"]["PublicIP"] == host.address
    assert scene.identity() == identity
    assert len(scene.world.leases()) == 2
    if scene.kind == "vxlan":
        assert scene.device()["linkinfo"]["info_data"]["local"] == host.address
    assert "ERROR" not in host.log()


def test_an_address_that_goes_and_returns_is_no_other_address(scene):
    host = scene.hosts[0]
    address, lease = host.address, host.lease()
    lines = len(host.log().splitlines())
    for _ in range(5):
        host.renumber(address)
        time.sleep(0.05)
    begin = time.monotonic()
    ms = scene.reached_after(begin)
    say(scene, "address away and back five times, ping back", ms)
    assert ms < 3000
    scene.wait_rows()
    time.sleep(1.2)
    assert host.lease()["modifiedIndex"] == lease["modifiedIndex"]
    assert "from now on" not in "".join(host.log().splitlines(True)[lines:])
    assert len(host.log().splitlines()) - lines < 20


def test_a_missing_address_is_said_once_and_waited_for(world):
    scene = Scene(world, "vxlan")
    host = scene.hosts[0]
    host.netns.batch(f"addr del {host.address}/16 dev eth0")
    host.wait_log("eth0 has no address to use: no IPv4 address; waiting for it")
    wait_until(lambda: any("waiting for the interface: eth0" in m for m in host.notify.poll()),
               "STATUS says so")
    host.netns.run("ip", "link", "set", "eth0", "down")
    host.netns.run("ip", "link", "set", "eth0", "up")
    time.sleep(1.2)
    assert host.log().count("waiting for it") == 1
    begin = time.monotonic()
    host.netns.batch(f"addr add {host.address}/16 dev eth0",
                     f"route replace default via {world.underlay.gateway}")
    say(scene, "the address is back, ping", scene.reached_after(begin))
    host.wait_log("eth0 is there again")
    wait_until(lambda: "running, lease" in [m for m in host.notify.poll() if "STATUS" in m][-1],
               "STATUS says that all is well")


def test_the_public_address_that_was_given_stays(world):
    world.config()
    host = world.host()
    host.start("--public-ip=198.51.100.7")
    lease = host.lease()
    host.renumber(world.underlay.new_address())
    wait_equal(lambda: kernel.device(host.netns, host.device)["linkinfo"]["info_data"]["local"],
               host.address, "the device's local address")
    assert host.lease()["modifiedIndex"] == lease["modifiedIndex"]
    assert host.lease()["value"]["PublicIP"] == "198.51.100.7"


@both_apis
@pytest.mark.parametrize("kind", ["vxlan", "direct"])
def test_an_address_that_changed_while_the_daemon_was_down_keeps_the_subnet(world, kind):
    scene = Scene(world, kind)
    host = scene.hosts[0]
    subnet, identity = host.subnet, scene.identity()
    assert host.stop() == 0
    host.renumber(world.underlay.new_address())
    host.start()
    assert (host.subnet, scene.identity()) == (subnet, identity)
    assert len(world.leases()) == 2
    scene.wait_rows()
    scene.reached_after(0)


@both_apis
def test_a_new_address_is_advertised_once_etcd_is_back(own_world):
    scene = Scene(own_world, "vxlan")
    host = scene.hosts[0]
    own_world.etcd.stop()
    host.renumber(own_world.underlay.new_address())
    host.wait_log(f"address {host.address}, public address {host.address}")
    own_world.etcd.start()
    wait_equal(lambda: host.lease()["value"]["PublicIP"], host.address, "the lease")
    scene.wait_rows()
    scene.reached_after(0)


# --- the interface (K1)


def test_the_interface_is_removed_and_added_again(scene):
    host = scene.hosts[0]
    identity = scene.identity()
    host.unplug()
    host.wait_log("eth0 was removed")
    host.wait_log("eth0 is gone; waiting for it")
    wait_until(lambda: any("waiting for the interface: eth0 is gone" in m
                           for m in host.notify.poll()), "STATUS says so")
    lines = len(host.log().splitlines())
    holds(host.daemon.running, "it waits", 1.0)
    assert len(host.log().splitlines()) - lines < 5
    host.replug()
    ms = scene.reached_after(time.monotonic())
    say(scene, "interface removed and added again, ping back", ms)
    assert ms < 3000
    scene.wait_rows()
    assert scene.identity() == identity
    assert scene.world.leases() and host.lease()["value"]["PublicIP"] == host.address
    wait_until(lambda: "running, lease" in [m for m in host.notify.poll() if "STATUS" in m][-1],
               "STATUS says that all is well")


def test_the_interface_comes_back_with_another_address(scene):
    host = scene.hosts[0]
    subnet, identity = host.subnet, scene.identity()
    host.unplug()
    host.wait_log("eth0 was removed")
    host.replug(scene.world.underlay.new_address())
    say(scene, "another interface and address, ping back",
        scene.reached_after(time.monotonic()))
    scene.wait_rows()
    assert (host.subnet, scene.identity()) == (subnet, identity)
    assert host.lease()["value"]["PublicIP"] == host.address


def test_peers_that_come_and_go_meanwhile_are_not_missed(world):
    world.config()
    host = world.host().start()
    gone, stays = world.peer(200), world.peer(201)
    host.wait_peers(gone, stays)
    host.unplug()
    host.wait_log("eth0 was removed")
    world.drop(gone)
    comes = world.peer(202)
    host.replug()
    host.wait_peers(stays, comes, timeout=30.0)


# --- a link that goes for a moment


@pytest.mark.parametrize("kind", ["host-gw", "direct"])
def test_routes_return_when_the_link_goes_for_a_moment(world, kind):
    scene = Scene(world, kind)
    host = scene.hosts[0]
    host.netns.batch("link set eth0 down", "link set eth0 up")
    begin = time.monotonic()
    scene.wait_rows()
    ms = (time.monotonic() - begin) * 1000
    say(scene, "link down and up, routes back", ms)
    assert ms < 2000
    scene.reached_after(begin)


def test_news_of_others_arrive_soon_after_a_new_address(world):
    """Though the connection to etcd was from the old one."""
    world.config()
    host = world.host().start()
    host.wait_peers(world.peer(200))
    host.renumber(world.underlay.new_address())
    wait_equal(lambda: host.lease()["value"]["PublicIP"], host.address, "the lease")
    begin = time.monotonic()
    comes = world.peer(201)
    wait_until(lambda: comes.subnet in host.peers(), "the new peer is reached", timeout=30.0)
    ms = (time.monotonic() - begin) * 1000
    print(f"vxlan: a peer that comes after the renumbering is reached after {ms:.0f} ms")
    assert ms < 10000
