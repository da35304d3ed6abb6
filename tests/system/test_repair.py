"""What others do to rows and devices is undone at once, driven by the kernel's announcements (K)."""

import signal
import time

import pytest

from harness import kernel
from harness.wait import holds, wait_equal, wait_until


@pytest.fixture
def busy(world):
    """A host with 50 peers."""
    world.config()
    host = world.host().start()
    peers = [world.peer(third) for third in range(200, 250)]
    host.wait_peers(*peers)
    return host, peers


def wait_back(host, peers, what):
    begin = time.monotonic()
    host.wait_peers(*peers)
    print(f"{what}: back after {(time.monotonic() - begin) * 1000:.0f} ms")


# --- rows (K2)


def remove_routes(host, peers):
    """Not by `ip route flush`: that of Debian 12 cannot remove routes that have a nexthop object."""
    host.netns.batch(*(f"route del {peer.subnet}" for peer in peers))


def test_routes_that_are_removed_are_back(busy):
    host, peers = busy
    remove_routes(host, peers)
    wait_back(host, peers, "ip route del")


@pytest.mark.parametrize("command", [
    "ip neigh flush dev {device} nud permanent",
    "ip nexthop flush proto 70",
    "ip nexthop flush",
])
def test_what_is_flushed_is_back(busy, command):
    host, peers = busy
    host.netns.run(*command.format(device=host.device).split())
    wait_back(host, peers, command)


def test_fdb_entries_are_back(busy):
    host, peers = busy
    for peer in peers:
        host.netns.run("bridge", "fdb", "del", peer.mac, "dev", host.device)
    wait_back(host, peers, "bridge fdb del")
    assert "put back" in host.log() or "putting it back" in host.log()


@pytest.mark.parametrize("command", [
    "ip route replace {subnet} dev {device}",
    "ip route replace {subnet} via {gateway} dev {device} onlink proto static",
    "ip neigh replace {gateway} lladdr 0a:00:00:00:66:66 dev {device} nud permanent",
    "ip neigh replace {gateway} lladdr {mac} dev {device} nud reachable",
    "bridge fdb replace {mac} dev {device} dst 192.168.66.66",
    "bridge fdb append {mac} dev {device} dst 192.168.66.66",
])
def test_what_is_changed_is_set_back(busy, command):
    host, peers = busy
    peer = peers[7]
    host.netns.run(*command.format(
        device=host.device, subnet=peer.subnet, gateway=peer.subnet.partition("/")[0],
        mac=peer.mac).split())
    wait_back(host, peers, command)
    remotes = [f["dst"] for f in host.netns.json(f"bridge fdb show dev {host.device}")
               if f["mac"] == peer.mac and "dst" in f]
    wait_equal(lambda: remotes, [peer.address], "one remote")


def test_somebody_who_keeps_deleting_a_route_does_not_keep_us_busy(busy):
    host, peers = busy
    before = len(host.log().splitlines())
    cpu = host.daemon.cpu_seconds()
    end = time.monotonic() + 4
    while time.monotonic() < end:
        host.netns.run("ip", "route", "del", peers[0].subnet, check=False)
    assert "again and again" in host.log()
    assert len(host.log().splitlines()) - before < 40
    assert host.daemon.cpu_seconds() - cpu < 1.0
    wait_back(host, peers, "after a fight")


def test_foreign_rows_are_left_alone(busy):
    host, peers = busy
    host.netns.batch(
        "route add 10.5.251.0/24 via 192.168.0.1 proto static",
        f"route add {peers[0].subnet} via 192.168.0.1 metric 50 proto bird",
        "route add 172.16.0.0/12 via 192.168.0.1 proto bgp")
    host.netns.batch(*(f"route del {peer.subnet} metric 0" for peer in peers))
    wait_back(host, peers, "beside foreign routes")
    host.netns.batch("route del 172.16.0.0/12")
    routes = host.netns.json("ip route show")
    assert [r["dst"] for r in routes if r.get("protocol") == "static"] == ["10.5.251.0/24"]
    assert [r["dst"] for r in routes if r.get("protocol") == "bird"] == [peers[0].subnet]


def test_a_route_of_another_over_ours_off_our_device_is_said_and_waited_out(world):
    world.config(Backend={"Type": "host-gw"})
    host = world.host().start()
    peer = world.gateway_peer(200)
    host.wait_gateways(peer)
    host.netns.run("ip", "route", "replace", peer.subnet, "via", "192.168.0.1", "proto", "static")
    host.wait_log("conflicts with one of protocol static")
    holds(lambda: [r for r in host.netns.json("ip route show proto static")
                   if r["dst"] == peer.subnet], "theirs stays", 0.5)
    host.netns.run("ip", "route", "del", peer.subnet, "proto", "static")
    host.wait_gateways(peer)


# --- devices (K1, K4)


@pytest.mark.parametrize("command", [
    "ip link del {device}",
    "ip link set {device} down",
    "ip link set {device} address 0a:00:00:00:77:77",
    "ip link set {device} mtu 1300",
    "ip addr flush dev {device}",
])
def test_a_device_is_brought_back(busy, command):
    host, peers = busy
    before = kernel.device(host.netns, host.device)
    addresses = kernel.addresses(host.netns, host.device)
    host.netns.run(*command.format(device=host.device).split())

    def same():
        now = kernel.device(host.netns, host.device)
        return now and [now[k] for k in ("ifindex", "address", "mtu")] == [
            before[k] for k in ("ifindex", "address", "mtu")] and "UP" in now["flags"]
    if not command.startswith("ip addr"):
        wait_until(same, "the device is what it was")
        wait_equal(lambda: kernel.addresses(host.netns, host.device), addresses, "its address")
    wait_back(host, peers, command)


def test_a_renamed_device_gets_its_name_back(busy):
    host, peers = busy
    host.netns.batch(f"link set {host.device} down", f"link set {host.device} name elsewhere")
    wait_until(lambda: kernel.device(host.netns, host.device), "its name is back")
    wait_back(host, peers, "rename")


def test_traffic_returns_when_the_device_was_deleted(world):
    world.config()
    hosts = world.joined(2)
    here, there = (world.container(host) for host in hosts)
    here.reach(there)
    hosts[0].netns.run("ip", "link", "del", hosts[0].device)
    begin = time.monotonic()
    here.reach(there)
    print(f"ping back after {(time.monotonic() - begin) * 1000:.0f} ms")


# --- lost announcements (K6)


def test_an_overrun_of_announcements_is_survived(world):
    """While flanneld is stopped, far more is announced than its socket holds."""
    world.config()
    host = world.host().start("-v=1")
    peers = [world.peer(third) for third in range(200, 250)]
    host.wait_peers(*peers)
    host.daemon.send(signal.SIGSTOP)
    try:
        routes = [f"172.20.{i}.0/24 dev eth0 proto 70" for i in range(250)]
        lines = [f"route {verb} {route}" for verb in ("add", "del") for route in routes]
        host.netns.batch(*lines * 120)
        remove_routes(host, peers)
    finally:
        host.daemon.send(signal.SIGCONT)
    wait_back(host, peers, "overrun")
    assert "announcements of the kernel were lost" in host.log()


def test_a_device_whose_name_is_taken_forwards_under_the_other_one(busy):
    host, peers = busy
    host.daemon.send(signal.SIGSTOP)  # else it may be quicker
    try:
        host.netns.batch(f"link set {host.device} down", f"link set {host.device} name elsewhere",
                         f"link add {host.device} type bridge", "link set elsewhere up")
    finally:
        host.daemon.send(signal.SIGCONT)
    host.wait_log("another device has its name or its index")
    wait_until(lambda: "UP" in kernel.device(host.netns, "elsewhere")["flags"], "it is up")
    wait_equal(lambda: set(kernel.peers(host.netns, "elsewhere")), {p.subnet for p in peers},
               "its rows stand")
    host.netns.batch(f"link del {host.device}")
    wait_until(lambda: (kernel.device(host.netns, host.device) or {}).get("linkinfo", {}).get(
        "info_kind") == "vxlan", "its name is back")
    assert host.log().count("cannot be repaired") == 1


def test_an_attribute_of_the_device_is_set_back(busy):
    host, peers = busy
    host.netns.run("ip", "link", "set", host.device, "type", "vxlan", "learning")
    wait_until(lambda: not (kernel.device(host.netns, host.device) or {}).get(
        "linkinfo", {}).get("info_data", {}).get("learning", True), "learning is off again")
    wait_back(host, peers, "learning")


def test_a_device_of_another_kind_under_our_index_is_left_alone(busy):
    host, peers = busy
    index = kernel.device(host.netns, host.device)["ifindex"]
    host.daemon.send(signal.SIGSTOP)
    try:
        host.netns.batch(f"link del {host.device}",
                         f"link add name theirs index {index} type bridge")
    finally:
        host.daemon.send(signal.SIGCONT)
    host.wait_log("another device has its name or its index")
    assert kernel.device(host.netns, "theirs")["ifindex"] == index
    host.netns.batch("link del theirs")
    wait_back(host, peers, "after another device")


@pytest.mark.parametrize("command", [
    "ip addr replace 10.5.77.1/32 dev {device}",
    "ip addr flush dev {device}",
])
def test_a_fight_over_addresses_is_paced(busy, command):
    host, peers = busy
    before, cpu = len(host.log().splitlines()), host.daemon.cpu_seconds()
    end = time.monotonic() + 3
    while time.monotonic() < end:
        host.netns.run(*command.format(device=host.device).split(), check=False)
    assert len(host.log().splitlines()) - before < 60
    assert host.daemon.cpu_seconds() - cpu < 1.0
    wait_back(host, peers, "after a fight")
    wait_equal(lambda: kernel.addresses(host.netns, host.device),
               [host.subnet.replace("/24", "/32")], "its address and no other")
