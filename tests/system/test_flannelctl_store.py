"""flannelctl with the store: config, leases, reservations, release, check; over both APIs of etcd,
and with a file."""

import json
import os
import re

import pytest

from harness import health, kernel
from harness.apis import both_apis
from harness.build import BACKEND_DIR, FLANNELD
from harness.wait import holds, wait_until
from harness.world import FakePeer
from test_flannelctl import same_as_golden, terminal

CTL = os.path.join(os.path.dirname(os.path.dirname(FLANNELD)), "bin/flannelctl")
CONFIG = '{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"}}'


class Ctl:
    """flannelctl in a host's namespace, with the options that lead to its world's store."""

    def __init__(self, world, host):
        self.world = world
        self.host = host
        self.store = [f"--etcd-endpoints={world.etcd.endpoint}", f"--etcd-prefix={world.prefix}"]
        self.flags = [f"--subnet-file={host.subnet_file}", f"--backend-dir={BACKEND_DIR}"]

    def try_(self, *argv, stdin=None):
        return self.host.netns.run(CTL, f"--socket={health.control_path(self.host)}", *self.store,
                                   *self.flags, *argv, check=False, input=stdin)

    def run(self, *argv, stdin=None):
        done = self.try_(*argv, stdin=stdin)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
        return done.stdout

    def refused(self, code, *argv, stdin=None):
        done = self.try_(*argv, stdin=stdin)
        assert done.returncode == code, done.stdout + done.stderr
        assert done.stderr.startswith("flannelctl: ") and done.stderr.count("\n") == 1, done.stderr
        return done.stderr

    def checks(self, code):
        """{what was looked at: (state, text)}"""
        done = self.try_("check", "--json")
        assert done.returncode == code, done.stdout + done.stderr
        return {c["check"]: (c["state"], c["text"]) for c in json.loads(done.stdout)}


@pytest.fixture
def ctl(world):
    return Ctl(world, world.host())


# --- config

@both_apis
def test_a_config_is_set_shown_and_set_anew(ctl, api):
    assert "neither API" in ctl.refused(1, "config", "set", "-", stdin=CONFIG)
    assert "no network config" in ctl.refused(1, "config", "show")
    ctl.store.append(f"--etcd-api={api}")
    assert "hosts that wait for it go on" in ctl.run("config", "set", "-", stdin=CONFIG + "\n")
    assert ctl.world.etcd.get(f"{ctl.world.prefix}/config")["value"] == CONFIG
    ctl.store.pop()
    assert ctl.run("config", "show") == CONFIG + "\n"
    assert "unchanged" in ctl.run("config", "set", "-", stdin=CONFIG)
    assert "starts anew" in ctl.run("config", "set", "-", stdin=CONFIG.replace("/16", "/17"))
    shown = json.loads(ctl.run("config", "show", "--json"))
    assert shown["config"]["Network"] == "10.5.0.0/17" and shown["index"] > 0


def test_a_bad_config_is_not_written(ctl):
    ctl.world.config()
    before = ctl.run("config", "show")
    for text, said in (("{", "JSON"), ('{"Network":"10.5.0.0/29"}', "Network"),
                       ('{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan","VNI":-1}}', "VNI")):
        for command in "check", "set":
            done = ctl.try_("config", command, "-", stdin=text)
            assert done.returncode == 1 and said in done.stderr, done.stderr
    assert ctl.run("config", "show") == before
    assert '"SubnetMax":"10.5.255.0"' in ctl.run("config", "check", "-", stdin=CONFIG)


def test_leases_that_a_new_config_leaves_out_are_said(ctl):
    ctl.world.config()
    ctl.world.peer(200)
    done = ctl.try_("config", "set", "-", stdin='{"Network":"10.7.0.0/16"}')
    assert done.returncode == 0
    assert "1 leases are not of this network, 10.5.200.0/24 for one" in done.stderr


# --- leases

@both_apis
def test_leases_are_listed_with_bad_ones_among_them(ctl):
    world = ctl.world
    world.config()
    assert ctl.run("leases").split() == ["SUBNET", "HOST", "BACKEND", "EXPIRES", "DATA"]
    peer = world.peer(200)
    world.put_lease("10.5.201.0/24", "192.168.200.201", None, kind="host-gw")
    rows = [line.split() for line in ctl.run("leases").splitlines()[1:]]
    assert sorted(row[:3] for row in rows) == [
        ["10.5.200.0/24", peer.address, "vxlan"], ["10.5.201.0/24", "192.168.200.201", "host-gw"]]
    assert ["never" in row for row in sorted(rows)] == [False, True]
    world.etcd.put(f"{world.prefix}/subnets/10.5.202.0-24", "{")
    done = ctl.try_("leases", "--json")
    found = {item["key"]: item for item in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 1
    assert found["10.5.200.0-24"]["data"] == {"VNI": world.vni, "VtepMAC": peer.mac}
    assert found["10.5.201.0-24"]["reserved"] and not found["10.5.200.0-24"]["reserved"]
    assert "fault" in found["10.5.202.0-24"]


@both_apis
def test_leases_stand_in_the_order_of_their_subnets(ctl, api):
    thirds = [30, 9, 100, 10, 2, 200, 20, 99]
    ctl.store.append(f"--etcd-api={api}")
    for third in thirds:
        ctl.world.put_lease(f"10.5.{third}.0/24", f"192.168.200.{third}", None)
    for key in "10.5.4.0-24", "10.5.3.0-24":
        ctl.world.etcd.put(f"{ctl.world.prefix}/subnets/{key}", "{")
    expected = [f"10.5.{third}.0/24" for third in sorted(thirds)] + ["10.5.3.0-24", "10.5.4.0-24"]
    listed = ctl.try_("leases").stdout.splitlines()[1:]
    assert [line.split()[0] for line in listed] == expected
    listed = map(json.loads, ctl.try_("leases", "--json").stdout.splitlines())
    assert [item["key"] for item in listed] == [name.replace("/", "-") for name in expected]


def test_a_files_leases_stand_in_the_order_of_their_subnets(ctl, folder):
    file = folder / "network.json"
    file.write_text(json.dumps({"Network": "10.5.0.0/16", "Leases": [
        {"Subnet": "10.5.100.0/24", "PublicIP": "192.168.200.1"}, {"Subnet": "10.5.4.0/24"},
        {"Subnet": "10.5.9.0/24", "PublicIP": "192.168.200.2"}]}, indent=0))
    ctl.store = [f"--store=file://{file}"]
    listed = ctl.try_("leases").stdout.splitlines()[1:]
    assert [line.split()[0] for line in listed] == ["10.5.9.0/24", "10.5.100.0/24", "line"]


# --- reserve, unreserve, release

@both_apis
def test_a_reservation_waits_for_its_host(ctl):
    world, host = ctl.world, ctl.host
    world.config()
    assert "no lease to keep" in ctl.refused(1, "reserve", "10.5.77.0/24")
    assert "does not allow" in ctl.refused(1, "reserve", "10.9.77.0/24", "--public-ip=192.0.2.1")
    assert "is reserved" in ctl.run("reserve", "10.5.77.0/24", f"--public-ip={host.address}")
    assert "already" in ctl.run("reserve", "10.5.77.0/24")
    assert "another host" in ctl.refused(1, "reserve", "10.5.77.0/24", "--public-ip=192.0.2.9")
    host.start()
    assert host.subnet == "10.5.77.0/24"
    assert host.lease().get("ttl") is None


@both_apis
def test_a_lease_in_use_is_kept_for_ever_and_let_go_again(ctl):
    world, host = ctl.world, ctl.host
    world.config()
    host.start()
    other = world.host().start()
    host.wait_peers(other)
    assert host.lease()["ttl"] > 0
    assert "does not expire" in ctl.run("reserve", host.subnet)
    assert host.lease().get("ttl") is None
    peer = world.peer(200)  # what came before has been heard when this is there
    host.wait_peers(other, peer)
    assert host.lease().get("ttl") is None and host.daemon.running()
    assert "expires in" in ctl.run("unreserve", host.subnet)
    assert host.lease()["ttl"] > 0
    assert "no reservation" in ctl.run("unreserve", host.subnet)
    other.wait_peers(host, peer)


@both_apis
def test_what_others_have_written_into_a_lease_stays_in_it(ctl):
    """Newer releases of flannel write members that are not known here."""
    ctl.world.config()
    value = ('{"PublicIP":"192.0.2.7","PublicIPv6":null,"BackendType":"vxlan",'
             '"BackendData":{"VNI":1,"VtepMAC":"0a:00:00:00:00:07"},"Later":{"x":[1,2]}}')
    key = ctl.world.key("10.5.210.0/24")
    ctl.world.etcd.put(key, value, ttl=600)
    ctl.run("reserve", "10.5.210.0/24")
    assert ctl.world.etcd.get(key)["value"] == value
    ctl.run("unreserve", "10.5.210.0/24")
    node = ctl.world.etcd.get(key)
    assert node["value"] == value and node["ttl"] > 0


@both_apis
def test_a_lease_that_was_let_go_is_renewed_by_its_host(ctl):
    ctl.world.config()
    ctl.flags.append("--subnet-lease-ttl=5s")
    ctl.host.start("--subnet-lease-ttl=5s")
    ctl.run("reserve", ctl.host.subnet)
    ctl.run("unreserve", ctl.host.subnet)
    holds(lambda: ctl.host.lease() is not None, "its lease stays", 8)
    assert ctl.host.lease()["ttl"] > 0 and ctl.host.log().count("re-creating") == 0


@both_apis
def test_a_lease_is_released_once_its_flanneld_has_ended(ctl):
    world, host = ctl.world, ctl.host
    world.config()
    host.start()
    subnet = host.subnet
    assert "would take the lease again" in ctl.refused(1, "release")
    assert "would take the lease again" in ctl.refused(1, "release", subnet)
    world.peer(200)
    host.stop()
    assert "is free" in ctl.run("release")
    assert [node["key"].rpartition("/")[2] for node in world.leases()] == ["10.5.200.0-24"]
    assert "no lease" in ctl.run("release")
    host.netns.run("sed", "-i", "s/^FLANNEL_SUBNET=.*/FLANNEL_SUBNET=10.5.200.1\\/24/",
                   host.subnet_file)
    assert "no address of this host" in ctl.refused(1, "release")
    assert "is free" in ctl.run("release", "10.5.200.0/24")
    assert not world.leases()


# --- check

@both_apis
def test_check_finds_what_is_wrong_in_store_daemon_and_kernel(ctl):
    world, host = ctl.world, ctl.host
    world.config()
    assert ctl.checks(1)["file"][0] == "wrong"
    host.start()
    peers = [world.peer(200), world.peer(201)]
    host.wait_peers(*peers)
    host.netns.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
    found = ctl.checks(0)
    assert {state for state, _text in found.values()} == {"ok"}
    assert found["reach"][1] == "2 hosts" and "ready" in found["daemon"][1]
    host.kill()
    assert ctl.checks(1)["daemon"][0] == "wrong"  # its socket is there, and nobody at it
    host.netns.batch(f"route del {peers[0].subnet}")
    assert "10.5.200.0/24: no route" in ctl.checks(1)["reach"][1]
    host.netns.run("bridge", "fdb", "del", peers[1].mac, "dev", host.device)
    assert "2 of 2 hosts" in ctl.checks(1)["reach"][1]
    world.drop(peers[1])
    assert "10.5.201.0/24" in ctl.checks(1)["stale"][1]
    world.etcd.delete(world.key(host.subnet))
    assert "not in the store" in ctl.checks(1)["lease"][1]


def test_check_sees_where_frames_are_sent(ctl):
    world, host = ctl.world, ctl.host
    world.config()
    host.start()
    peer = world.peer(200)
    host.wait_peers(peer)
    host.kill()
    host.netns.run("bridge", "fdb", "replace", peer.mac, "dev", host.device, "dst", "192.0.2.66")
    assert "leads to 192.0.2.66" in ctl.checks(1)["reach"][1]
    host.netns.run("bridge", "fdb", "replace", peer.mac, "dev", host.device, "dst", peer.address)
    assert ctl.checks(1)["reach"][0] == "ok"
    host.netns.batch(f"neigh del {peer.subnet.partition('/')[0]} dev {host.device}")
    assert "no neighbour entry" in ctl.checks(1)["reach"][1]


@pytest.mark.parametrize("kind", ["host-gw", "udp", "alloc"])
def test_check_knows_every_backend(ctl, kind):
    world, host = ctl.world, ctl.host
    world.config(Backend={"Type": kind})
    host.start()
    other = world.host().start()
    wait_until(lambda: ctl.checks(1 if kernel_is_shut(host) else 0)["reach"][0] == "ok",
               "it is reached")
    if kind == "host-gw":
        host.kill()
        host.netns.batch(f"route del {other.subnet}")
        assert f"{other.subnet}: no route" in ctl.checks(1)["reach"][1]


def kernel_is_shut(host):
    return host.netns.run("cat", "/proc/sys/net/ipv4/ip_forward").stdout.strip() == "0"


def test_the_screens_are_as_they_were(ctl):
    world, host = ctl.world, ctl.host
    world.config(SubnetMin="10.5.7.0", SubnetMax="10.5.7.0")
    host.start()
    host.netns.run("sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
    world.put_lease("10.5.201.0/24", "192.168.200.201", "0a:00:00:00:00:c9")
    host.wait_peers(FakePeer("10.5.201.0/24", "192.168.200.201", "0a:00:00:00:00:c9"))
    world.etcd.put(f"{world.prefix}/subnets/10.5.202.0-24", "{")
    mac = host.mac
    for command, code in ("leases", 1), ("check", 0):
        done = ctl.try_(command)
        assert done.returncode == code, done.stdout + done.stderr
        text = done.stdout
        for own, plain in ((host.subnet_file, "SUBNET.ENV"), (world.prefix, "PREFIX"),
                           (mac, "0e:00:00:00:00:01"), (host.address, "192.0.2.11"),
                           (f'"VNI":{world.vni}', '"VNI":1')):
            text = text.replace(own, plain)
        same_as_golden(f"store-{command}", re.sub(r"2[34]h( \d+m)?|1d", "24h", re.sub(
            r"  +", "  ", text)))


def test_a_terminal_of_eighty_columns_is_wide_enough(ctl, folder):
    ctl.world.config()
    ctl.host.start()
    ctl.world.peer(200)
    script = folder / "ctl"
    script.write_text(" ".join(["exec", *ctl.host.netns.argv(
        CTL, *ctl.store, *ctl.flags, f"--socket={folder}/a/very/long/path/that/is/nowhere")]) +
        ' "$@"\n')
    with terminal(folder, 80) as show:
        for command, column in ("check", "??"), ("leases", "EXPIRES"):
            lines = show(f"NO_COLOR=1 sh {script} {command}").splitlines()
            assert any(column in line for line in lines), lines
            assert len(lines) >= 2 and max(map(len, lines)) <= 80, lines
        assert "\x1b[33m??" in show(f"sh {script} check")


# --- what may go wrong

def test_a_store_that_is_away_is_said_with_its_address(ctl):
    ctl.store[0] = "--etcd-endpoints=http://127.0.0.1:9"
    for argv in (["leases"], ["config", "show"], ["reserve", "10.5.1.0/24"], ["release", "10.5.1.0/24"]):
        assert "http://127.0.0.1:9: " in ctl.refused(3, *argv)
    assert ctl.checks(1)["config"][0] == "wrong"


@pytest.mark.parametrize("argv, said", [
    (["reserve"], "which SUBNET"), (["reserve", "10.5.1.1/24"], "no subnet"),
    (["reserve", "10.5.1.0/24", "--public-ip=x"], "must be an IPv4 address"),
    (["config"], "config show"), (["config", "set"], "config show"), (["leases", "x"], "unexpected"),
    (["--etcd-api=4", "leases"], "etcd-api"), (["--etcd-endpoints=ftp://x", "leases"], "ftp://x"),
])
def test_a_wrong_word_is_named(ctl, argv, said):
    assert said in ctl.refused(2, *argv)


def test_the_environment_of_flanneld_leads_to_the_store(ctl):
    ctl.world.config()
    ctl.world.peer(200)
    done = ctl.host.netns.run(CTL, "leases", env={
        **os.environ, "FLANNELD_ETCD_ENDPOINTS": ctl.world.etcd.endpoint,
        "FLANNELD_ETCD_PREFIX": ctl.world.prefix})
    assert "10.5.200.0/24" in done.stdout


def test_a_file_is_read_and_never_written(ctl, folder):
    path = folder / "network.json"
    text = json.dumps({"Network": "10.5.0.0/16", "Backend": {"Type": "host-gw"}, "Leases": [
        {"Subnet": "10.5.1.0/24", "PublicIP": "192.0.2.1"},
        {"Subnet": "10.5.2.0/24", "PublicIP": "nonsense"}]})
    path.write_text(text)
    ctl.store = [f"--store=file://{path}"]
    done = ctl.try_("leases")
    assert done.returncode == 1
    assert "10.5.1.0/24" in done.stdout and "nonsense" in done.stdout
    assert '"Network":"10.5.0.0/16"' in ctl.run("config", "show")
    for argv in (["config", "set", "-"], ["reserve", "10.5.3.0/24", "--public-ip=192.0.2.3"],
                 ["release", "10.5.1.0/24"]):
        assert "editor" in ctl.refused(1, *argv, stdin='{"Network":"10.6.0.0/16"}')
    assert path.read_text() == text
