"""flanneld --cleanup: all that is ours goes, and nothing else (F4)."""

import os

import pytest

from harness import kernel
from harness.build import FLANNELD, environment
from harness.host import Host
from harness.wait import wait_until

# Things of others, as like ours as they may be.
FOREIGN = (
    "link add flannel.4000 type vxlan id 4000 dstport 4789 dev eth0 local {address}",
    "link set flannel.4000 up",
    "addr add 10.5.240.0/32 dev flannel.4000",
    "neigh add 10.5.241.0 lladdr 0a:00:00:00:aa:01 dev flannel.4000 nud permanent",
    "route add 10.5.241.0/24 via 10.5.241.0 dev flannel.4000 onlink proto static",
    "link add flannel.d type bridge",
    "link set flannel.d alias flanneld-of-mine",
    "route add 10.5.250.0/24 via 192.168.0.1",
    "route add 10.5.251.0/24 dev eth0 proto static metric 7",
    "route add 10.5.252.0/24 via 192.168.0.1 table 100 proto 70",
    "route add 10.5.200.0/24 via 192.168.0.1 metric 50 proto bird",
    "nexthop add id 7 via 192.168.0.1 dev eth0 proto static",
    "route add 10.5.253.0/24 nhid 7 proto static",
    "neigh add 192.168.77.77 lladdr 0a:00:00:00:aa:02 dev eth0 nud permanent",
    "rule add from 10.5.0.0/16 table 100 pref 70",
)
FOREIGN_RULES = """
*nat
:THEIRS - [0:0]
-A POSTROUTING -s 10.5.0.0/16 -j THEIRS
-A THEIRS -d 10.5.0.0/16 -j RETURN
COMMIT
*filter
:FLANNEL-FWD-OF-MINE - [0:0]
-A FORWARD -s 10.5.0.0/16 -j FLANNEL-FWD-OF-MINE
COMMIT
"""
NFT = """table inet theirs {
    chain c { type filter hook forward priority 0; ip saddr 10.5.0.0/16 accept; }
}
"""


def prepared(world, backend):
    """A host with things of others on it, and what stands there."""
    world.config(Backend=backend)
    host = world.host()
    host.netns.batch(*(line.format(address=host.address) for line in FOREIGN))
    host.netns.run("bridge", "fdb", "append", "0a:00:00:00:aa:01", "dev", "flannel.4000", "dst",
                   "192.168.77.77")
    for program in ("iptables-nft-restore", "iptables-legacy-restore"):
        host.netns.run(program, input=FOREIGN_RULES)
    host.netns.run("nft", "-f", "-", input=NFT)
    return host, kernel.snapshot(host.netns)


def cleaned(host):
    """What it says it has removed."""
    done = host.cleanup()
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


# --- everything, and nothing else


def _vxlan(world):
    peers = [world.peer(third) for third in range(200, 210)]
    return Host.wait_peers, peers


def _host_gw(world):
    return Host.wait_gateways, [world.gateway_peer(third) for third in range(200, 210)]


def _direct(world):
    """Peers on the link, whose routes are on the underlay, and one that is behind a gateway."""
    for third in range(200, 209):
        world.peer(third)
    world.peer(209, address="172.30.1.9")

    def wait(host):
        wait_until(lambda: len(kernel.gateways(host.netns)) == 9 and len(host.peers()) == 1,
                   "all are reached")
    return wait, []


def _udp(_):
    return (lambda host: wait_until(lambda: kernel.routes(host.netns), "its route stands")), []


@pytest.mark.parametrize("kind, keys, peers, device", [
    ("vxlan", {}, _vxlan, True),
    ("vxlan", {"DirectRouting": True}, _direct, True),
    ("host-gw", {}, _host_gw, False),
    ("udp", {}, _udp, True),
    ("alloc", {}, lambda _: (lambda host: None, []), False),
])
def test_a_host_is_as_it_was_before_the_start(world, kind, keys, peers, device):
    number = {"VNI": world.vni} if kind == "vxlan" else {}
    host, before = prepared(world, {"Type": kind, **number, **keys})
    host.start("--ip-masq")
    wait, others = peers(world)
    wait(host, *others)
    running = kernel.snapshot(host.netns)
    assert host.stop() == 0
    if kind != "udp":  # whose device loses its carrier with the process
        assert kernel.snapshot(host.netns) == running, "a stop has changed something"
    assert running != before
    said = cleaned(host)
    assert kernel.snapshot(host.netns) == before
    assert not os.path.exists(host.subnet_file)
    assert f"removed {host.subnet_file}" in said
    assert any(line.startswith("removed device flannel") for line in said) == device
    assert any("firewall chains" in line for line in said)
    print(f"{kind} {keys}: " + ", ".join(sorted({line.split()[1] for line in said})))
    assert cleaned(host) == [], "the second time"
    assert kernel.snapshot(host.netns) == before


def test_the_table_of_the_peer_filter_goes(world):
    host, before = prepared(world, {"Type": "vxlan", "VNI": 3005})
    host.start("--peer-filter")
    wait_until(lambda: kernel.snapshot(host.netns)["nft -s list ruleset"] !=
               before["nft -s list ruleset"], "the table is there")
    assert host.stop() == 0
    assert "removed the peer filter's nftables table" in cleaned(host)
    assert kernel.snapshot(host.netns) == before


def test_devices_of_earlier_configs_go_too_and_it_starts_anew_after_it(world):
    host, before = prepared(world, {"Type": "vxlan", "VNI": 3001})
    for vni in (3001, 3002):
        world.config(Backend={"Type": "vxlan", "VNI": vni})
        host.start()
        assert host.stop() == 0
        assert kernel.device(host.netns, f"flannel.{vni}")
    said = cleaned(host)
    assert {"removed device flannel.3001 (vxlan)", "removed device flannel.3002 (vxlan)"} <= set(said)
    assert kernel.snapshot(host.netns) == before
    host.start()
    assert kernel.device(host.netns, "flannel.3002")


def test_what_was_killed_and_has_lost_its_file_is_found(world):
    host, before = prepared(world, {"Type": "host-gw"})
    host.start("--ip-masq").wait_gateways(world.gateway_peer(200))
    host.kill()
    os.unlink(host.subnet_file)
    assert "removed route 10.5.200.0/24 via 192.168.200.200 dev eth0" in cleaned(host)
    assert kernel.snapshot(host.netns) == before


def test_an_adopted_and_a_recreated_device_are_known_again(world):
    host, before = prepared(world, {"Type": "vxlan", "VNI": 3003})
    host.netns.batch(f"link add flannel.3003 type vxlan id 3003 dev eth0 local {host.address} "
                     "dstport 8472 nolearning")
    index = kernel.device(host.netns, "flannel.3003")["ifindex"]
    host.start()
    assert kernel.device(host.netns, "flannel.3003")["ifindex"] == index, "it was not adopted"
    host.netns.batch("link del flannel.3003")
    wait_until(lambda: "UP" in (kernel.device(host.netns, "flannel.3003") or {}).get("flags", ()),
               "it is back")
    assert host.stop() == 0
    cleaned(host)
    assert kernel.snapshot(host.netns) == before


def test_a_nexthop_object_that_a_route_of_others_uses_stays(world):
    host, before = prepared(world, {"Type": "host-gw"})
    host.start().wait_gateways(world.gateway_peer(200))
    assert host.stop() == 0
    number, = (n["id"] for n in host.netns.json("ip nexthop show") if n.get("protocol") == "70")
    theirs = f"route {{}} 172.20.0.0/16 nhid {number} proto static"
    host.netns.batch(theirs.format("add"))
    done = host.cleanup()
    assert done.returncode == 0
    assert f"nexthop {number} via 192.168.200.200: a route that is not ours uses it" in done.stderr
    assert [r["dst"] for r in host.netns.json("ip route show 172.20.0.0/16")] == ["172.20.0.0/16"]
    host.netns.batch(theirs.format("del"))
    assert f"removed nexthop {number} via 192.168.200.200" in cleaned(host)
    assert kernel.snapshot(host.netns) == before


@pytest.mark.parametrize("program", ["iptables-nft", "iptables-legacy"])
def test_chains_in_either_table_of_iptables_go(world, program):
    host, before = prepared(world, {"Type": "alloc"})
    host.netns.run(f"{program}-restore", "--noflush", input="""
*nat
:FLANNEL-POSTRTG - [0:0]
-I POSTROUTING 1 -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
-A FLANNEL-POSTRTG -s 10.5.0.0/16 -j RETURN
COMMIT
""")
    assert kernel.snapshot(host.netns) != before
    assert [line for line in cleaned(host) if "firewall chains" in line]
    assert kernel.snapshot(host.netns) == before


# --- not while one runs


def test_it_is_refused_while_a_flanneld_runs_whatever_its_file(world):
    host, _ = prepared(world, {"Type": "vxlan", "VNI": 3004})
    host.start("--ip-masq").wait_log("rules written")
    running, env = kernel.snapshot(host.netns), host.subnet_env()
    for flags in ((), (f"--subnet-file={host.folder}/other.env",)):
        done = host.cleanup(*flags)
        assert (done.returncode, done.stdout) == (8, "")
        assert "a flanneld runs in this network namespace; stop it first" in done.stderr
    assert (kernel.snapshot(host.netns), host.subnet_env()) == (running, env)
    other = world.host()
    assert other.cleanup().returncode == 0, "one of another namespace is in the way"


# --- what is not as it should be


@pytest.mark.parametrize("text", ["", "PATH=/bin\n", "FLANNEL_NETWORK=10.5.0.0/16\n"])
def test_a_file_that_is_not_subnet_env_stays(world, text):
    host = world.host()
    path = f"{host.folder}/file"
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    done = host.cleanup(f"--subnet-file={path}")
    assert done.returncode == 0
    assert f"{path}: it is not what flanneld writes; it stays" in done.stderr
    assert os.path.exists(path)


def test_exit_1_if_something_cannot_be_removed_and_all_the_rest_is(world):
    host, _ = prepared(world, {"Type": "host-gw"})
    host.start("--ip-masq").wait_gateways(world.gateway_peer(200))
    assert host.stop() == 0
    done = host.netns.run("setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin",
                          FLANNELD, "--cleanup", f"--subnet-file={host.subnet_file}",
                          check=False, env=environment())
    assert done.returncode == 1
    assert ("route 10.5.200.0/24 via 192.168.200.200 dev eth0: cannot be removed: Operation not "
            "permitted") in done.stderr
    assert not os.path.exists(host.subnet_file)
    assert host.gateways() == {"10.5.200.0/24": "192.168.200.200"}
    assert cleaned(host)
    assert host.gateways() == {}
