"""--peer-filter: only holders of leases reach the backend's UDP port (X3)."""

import json
import struct

import pytest

from harness import health, udp
from harness.packets import Capture, ipv4
from harness.packets import udp as udp_packet
from harness.wait import wait_equal, wait_until

TABLE = "flanneld-peers"
FLAG = "--peer-filter"


def table(host):
    """The table's parts, by kind; None if there is none."""
    done = host.netns.run("nft", "-j", "list", "table", "ip", TABLE, check=False)
    if done.returncode != 0:
        return None
    parts = {}
    for item in json.loads(done.stdout)["nftables"]:
        ((kind, part),) = item.items()
        parts[kind] = part
    return parts


def admitted(host):
    """None if there is no table. nft reads tables, sets and rules one after the other: of a table
    that is written meanwhile, as a whole, it may list the name alone, which is none yet."""
    found = table(host)
    return set(found["set"].get("elem", [])) if found and "set" in found else None


def dropped(host):
    return table(host)["counter"]["packets"]


def wait_admitted(host, *addresses):
    wait_equal(lambda: admitted(host), set(addresses), "these addresses, and no others, are let in")


class Attack:
    """A host whose peers are all played by one machine outside, which can say that it is anyone."""

    def __init__(self, world, backend):
        self.world = world
        self.backend = backend
        world.config(Backend=backend)
        self.host = world.host().start(FLAG, f"--healthz-port={health.PORT}")
        self.device = udp.DEVICE if backend["Type"] == "udp" else self.host.device
        netns, self.stranger = world.outsider()
        port = backend.get("Port", 8285 if backend["Type"] == "udp" else 8472)
        self.datagrams = world.keep(udp.Datagrams(netns, port))
        self.capture = world.keep(Capture(self.host.netns, self.device))

    def join(self, third):
        """A peer with the subnet 10.5.<third>.0/24; its address."""
        kind, address = self.backend["Type"], f"192.168.200.{third}"
        self.world.put_lease(f"10.5.{third}.0/24", address,
                             None if kind == "udp" else f"0a:00:00:00:00:{third:02x}", kind=kind)
        return address

    def leave(self, third):
        self.world.etcd.delete(self.world.key(f"10.5.{third}.0/24"))

    def packet(self, third, number):
        source, destination = f"10.5.{third}.7", self.host.gateway
        return ipv4(source, destination, udp_packet(source, destination, b"hello"), id=number)

    def send(self, address, third, number):
        """An encapsulated packet of that peer's subnet, from the address."""
        inner = self.packet(third, number)
        if self.backend["Type"] == "vxlan":
            frame = bytes.fromhex(self.host.mac.replace(":", "")) + bytes(
                [10, 0, 0, 0, 0, third]) + b"\x08\0" + inner
            inner = struct.pack("!II", 0x08000000, self.world.vni << 8) + frame
        self.datagrams.send(address, self.host, inner)

    def came(self):
        """The numbers of the packets that came out of the tunnel since the last call."""
        return {int.from_bytes(p[4:6], "big") for p in self.capture.taken() if p[0] == 0x45}

    def arrives(self, address, third):
        self.send(address, third, 77)
        return 77 in self.came()


@pytest.fixture(params=["vxlan", "udp"])
def attack(world, request):
    keys = {"VNI": world.vni} if request.param == "vxlan" else {"AllowAnySource": True}
    return Attack(world, {"Type": request.param, **keys})


def test_a_forged_packet_is_dropped_and_counted_and_a_peers_comes_in(attack):
    peer = attack.join(201)
    wait_admitted(attack.host, peer)
    wait_until(lambda: attack.arrives(peer, 201), "what the peer sends comes in")
    before = dropped(attack.host)
    for number in range(1000, 1005):
        attack.send(attack.stranger, 201, number)
    wait_until(lambda: attack.arrives(peer, 201), "what is sent behind it comes in")
    assert not attack.came() & set(range(1000, 1005))
    assert dropped(attack.host) - before == 5
    assert health.metrics(attack.host)[
        "flanneld_peer_filter_dropped_packets_total"] == before + 5


def test_join_and_leave_are_followed(attack):
    one, two = attack.join(201), attack.join(202)
    wait_admitted(attack.host, one, two)
    attack.leave(201)
    wait_admitted(attack.host, two)
    wait_until(lambda: attack.arrives(two, 202), "who stays is let in")
    before = dropped(attack.host)
    attack.send(one, 202, 1000)
    wait_equal(lambda: dropped(attack.host) - before, 1, "who has left is not let in")


def test_an_address_of_two_leases_is_open_until_both_are_gone(attack):
    world = attack.world
    for third in (201, 202):
        kind = attack.backend["Type"]
        world.put_lease(f"10.5.{third}.0/24", "192.168.200.9",
                        None if kind == "udp" else f"0a:00:00:00:00:{third:02x}", kind=kind)
    wait_admitted(attack.host, "192.168.200.9")
    attack.leave(201)
    other = attack.join(203)
    wait_admitted(attack.host, "192.168.200.9", other)
    attack.leave(202)
    wait_admitted(attack.host, other)


def test_a_lease_opens_the_port_and_nothing_that_others_closed(attack):
    peer = attack.join(201)
    wait_admitted(attack.host, peer)
    wait_until(lambda: attack.arrives(peer, 201), "what the peer sends comes in")
    attack.host.netns.run("nft", "-f", "-", input=f"""table inet theirs {{
        counter closed {{}}
        chain in {{ type filter hook input priority 0; ip saddr {peer} counter name closed drop; }}
    }}""")
    attack.came()
    attack.send(peer, 201, 1000)

    def closed():
        listed = attack.host.netns.run("nft", "-j", "list", "counter", "inet", "theirs", "closed")
        return json.loads(listed.stdout)["nftables"][-1]["counter"]["packets"]
    wait_equal(closed, 1, "the operator's own rule has dropped it")
    assert 1000 not in attack.came()


def test_hosts_reach_each_other_over_stop_kill_and_restart(world):
    world.config()
    one, two = world.joined(2, FLAG)
    inside, outside = world.container(one), world.container(two)
    wait_admitted(one, two.address)
    wait_until(lambda: inside.pings(outside.address), "the containers reach each other")
    assert one.stop() == 0
    assert admitted(one) == {two.address}
    assert inside.pings(outside.address)
    one.start(FLAG)
    two.kill()
    assert admitted(two) == {one.address}
    assert inside.pings(outside.address)
    two.start(FLAG)
    wait_admitted(two, one.address)
    assert inside.pings(outside.address)


@pytest.mark.parametrize("command", [
    ("flush", "ruleset"),
    ("delete", "table", "ip", TABLE),
    ("flush", "chain", "ip", TABLE, "input"),
    ("flush", "set", "ip", TABLE, "peers"),
    ("add", "element", "ip", TABLE, "peers", "{ 203.0.113.9 }"),
])
def test_what_others_do_to_the_table_is_undone_and_the_count_goes_on(attack, command):
    peer = attack.join(201)
    wait_admitted(attack.host, peer)
    attack.send(attack.stranger, 201, 1000)
    wait_equal(lambda: dropped(attack.host), 1, "the forged packet is dropped")
    host = attack.host
    host.netns.run("nft", *command)
    wait_until(lambda: admitted(host) == {peer} and "rule" in table(host), "the table is back")
    attack.send(attack.stranger, 201, 1001)
    # where the counter went with the table, what was known of it last
    expected = 1 if command[0] == "delete" or "ruleset" in command else 2
    wait_until(lambda: dropped(host) >= expected, "the next one is dropped, too")
    assert "somebody has changed the nftables table" in host.log()


def test_the_table_is_left_alone_when_others_change_theirs(attack):
    wait_equal(lambda: admitted(attack.host), set(), "the table is there")
    attack.host.netns.run("nft", "add", "table", "ip", "theirs")
    attack.host.netns.run("nft", "delete", "table", "ip", "theirs")
    wait_admitted(attack.host, attack.join(201))
    assert "somebody has changed" not in attack.host.log()


def test_without_the_flag_an_earlier_table_goes(world):
    world.config()
    host = world.host().start(FLAG)
    wait_equal(lambda: admitted(host), set(), "the table is there")
    host.restart()
    assert table(host) is None


def test_a_restart_with_another_port_filters_that_one(world):
    world.config()
    host = world.host().start(FLAG)
    peer = world.peer(201)
    wait_admitted(host, peer.address)
    world.config(Backend={"Type": "vxlan", "VNI": world.vni, "Port": 4789})
    host.restart(FLAG)

    def port():
        found = json.dumps(table(host)["rule"])
        return "4789" in found and "8472" not in found
    wait_until(port, "the rule is about the new port")
    assert admitted(host) == {peer.address}


def test_a_backend_without_a_port_is_told(world):
    world.config(Backend={"Type": "host-gw"})
    host = world.host().start(FLAG)
    assert "--peer-filter: backend host-gw uses no UDP port" in host.log()
    assert table(host) is None


def test_thousands_of_peers_are_let_in_by_few_transactions(world):
    world.config(network="10.0.0.0/8")
    host = world.host()
    for number in range(3000):
        a, b = 100 + number // 250, number % 250
        world.put_lease(f"10.{a}.{b}.0/24", f"192.169.{a}.{b + 1}",
                        f"0a:00:00:00:{a:02x}:{b:02x}")
    host.start(FLAG)
    wait_equal(lambda: len(admitted(host) or ()), 3000, "all are let in", 30)
    assert host.log().count("is open to") == 1
