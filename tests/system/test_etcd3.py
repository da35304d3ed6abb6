"""What only etcd's v3 API has: etcd leases, compaction, and the choice between the APIs."""

import collections
import json
import re
import time

import pytest

from harness.etcd import Etcd
from harness.readme import block, replaced
from harness.wait import wait_equal, wait_until
from harness.world import World


@pytest.fixture
def api():
    return 3


def etcd_leases(world):
    """As an operator sees them."""
    listed = world.etcd.netns.run(
        "env", "ETCDCTL_API=3", "etcdctl", f"--endpoints={world.etcd.endpoint}", "lease", "list")
    return listed.stdout.split("\n")[1:-1]


# --- the etcd lease


def test_fifty_restarts_leave_one_etcd_lease(own_world):
    world = own_world
    world.config(Backend={"Type": "alloc"})
    host = world.host().start()
    lease = host.lease()["lease"]
    for number in range(50):
        (host.kill if number % 2 else host.stop)()
        host.start()
    assert host.lease()["lease"] == lease
    assert len(etcd_leases(world)) == 1
    assert host.lease()["createdIndex"] == host.lease()["modifiedIndex"], "nobody was woken"


def test_release_leaves_no_etcd_lease(own_world):
    own_world.config()
    host = own_world.host().start("--release-on-exit")
    assert len(etcd_leases(own_world)) == 1
    assert host.stop() == 0
    assert own_world.leases() == []
    assert etcd_leases(own_world) == []


def test_release_does_not_take_other_keys_along(own_world):
    """Somebody has attached a key of his to our etcd lease."""
    world = own_world
    world.config()
    host = world.host().start("--release-on-exit")
    lease = host.lease()["lease"]
    run = world.etcd.netns.run(
        "env", "ETCDCTL_API=3", "etcdctl", f"--endpoints={world.etcd.endpoint}",
        "put", f"--lease={int(lease):x}", "/elsewhere", "theirs")
    assert run.returncode == 0, run.stderr
    assert host.stop() == 0
    assert world.leases() == []
    assert world.etcd.get("/elsewhere")["value"] == "theirs"


def test_another_ttl_takes_another_etcd_lease_and_leaves_none(own_world):
    world = own_world
    world.config()
    host = world.host().start()
    before = host.lease()
    host.restart("--subnet-lease-ttl=1h")
    after = host.lease()
    assert before["key"] == after["key"] and before["lease"] != after["lease"]
    assert 3590 <= after["ttl"] <= 3600
    assert len(etcd_leases(world)) == 1


def test_an_etcd_lease_that_was_revoked_is_granted_anew(own_world):
    world = own_world
    world.config()
    host, other = world.joined(2)
    before = host.lease()
    world.etcd.ask("lease/revoke", {"ID": before["lease"]})
    wait_until(host.lease, "the lease is back")
    assert host.lease()["value"] == before["value"]
    assert host.lease()["ttl"] > 86000
    other.wait_peers(host)
    assert len(etcd_leases(world)) == 2


def test_a_subnet_that_dual_stack_flannel_holds_is_reached(world):
    world.config()
    value = {"PublicIP": "192.168.200.200", "PublicIPv6": "fd00::1", "BackendType": "vxlan",
             "BackendData": {"VNI": world.vni, "VtepMAC": "0a:00:00:00:00:c8"}}
    world.etcd.put(f"{world.prefix}/subnets/10.5.200.0-24&fd00:5:2::-64", json.dumps(value))
    host = world.host().start()
    expected = {"10.5.200.0/24": ("192.168.200.200", "0a:00:00:00:00:c8")}
    wait_equal(host.peers, expected, "its rows stand")


def test_keys_beside_the_folder_are_not_ours(world):
    """subnets without slash is a prefix of theirs, too."""
    world.config()
    world.etcd.put(f"{world.prefix}/subnets-old/10.5.201.0-24", "nonsense")
    world.etcd.put(f"{world.prefix}/subnets", "nonsense")
    host = world.host().start()
    host.wait_peers(world.peer(200))
    assert " WARN " not in host.log()


# --- what it costs etcd


def calls(etcd):
    """How often each of etcd's functions was called, by name."""
    connection = etcd.connect()
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    found = re.findall(r'^grpc_server_started_total\{grpc_method="(\w+)".*\} (\d+)$', text, re.M)
    counts = collections.Counter()
    for name, count in found:
        counts[name] += int(count)
    return counts


def test_a_start_costs_eight_calls_and_none_for_a_peer(own_world):
    world = own_world
    world.config(network="10.0.0.0/8", SubnetMax="10.199.255.0")
    lease = world.etcd.ask("lease/grant", {"TTL": "3600"})["ID"]
    connection = world.etcd.connect()
    for number in range(500):
        value = {"PublicIP": f"192.168.{201 + number // 250}.{number % 250 + 1}",
                 "BackendType": "vxlan",
                 "BackendData": {"VtepMAC": f"0a:00:00:00:{number // 256:02x}:{number % 256:02x}"}}
        world.etcd.put(f"{world.prefix}/subnets/10.{200 + number // 250}.{number % 250}.0-24",
                       json.dumps(value), connection, lease=lease)
    connection.close()
    before = calls(world.etcd)
    host = world.host().start()
    wait_until(lambda: len(host.peers()) == 500, "all peers are reached", timeout=30)
    spent = calls(world.etcd) - before
    assert spent["Watch"] == 1 and spent["LeaseTimeToLive"] == 0, spent
    assert spent["Range"] == 2, "the config, and all leases at once"
    assert sum(spent.values()) <= 8 - 3, f"{spent}, beside /version and v2's config"


def test_at_rest_there_are_only_keep_alives(own_world):
    own_world.config()
    host = own_world.host().start("--subnet-lease-ttl=5s")
    host.wait_peers(own_world.peer(200))
    before = calls(own_world.etcd)
    time.sleep(12)
    spent = calls(own_world.etcd) - before
    assert set(spent) == {"LeaseKeepAlive"} and 3 <= spent["LeaseKeepAlive"] <= 8, spent
    assert host.daemon.running()


# --- which API


def config_text(world, network="10.5.0.0/16"):
    return json.dumps({"Network": network, "SubnetMax": network.replace(".0.0/16", ".199.0"),
                       "Backend": {"Type": "vxlan", "VNI": world.vni}})


def test_the_api_that_holds_the_config_is_used_and_named(world):
    world.etcd.over(2).put(f"{world.prefix}/config", config_text(world))
    first = world.host().start()
    assert "using the v2 API" in first.log()
    assert world.leases() == []
    world.config()
    second = world.host().start()
    assert second.log().count("holds a network config in both APIs; using v3") == 1
    assert len(world.leases()) == 1


@pytest.mark.parametrize("flag, used", [("2", "10.6."), ("3", "10.5.")])
def test_the_api_that_is_asked_for_is_used(world, flag, used):
    world.config()
    world.etcd.over(2).put(f"{world.prefix}/config", config_text(world, "10.6.0.0/16"))
    host = world.host().start(f"--etcd-api={flag}")
    assert host.subnet.startswith(used)


def test_a_server_whose_v2_is_switched_off_is_understood(underlay, folder):
    etcd = Etcd(underlay, flags=["--enable-v2=false"])
    world = World(underlay, etcd, folder, 3)
    try:
        waiting, strict = world.host().start(ready=False), world.host()
        waiting.wait_log("not there yet")
        world.config()
        waiting.wait_ready()
        assert "using the v3 API" in waiting.log() and "WARN  etcd" not in waiting.log()
        strict.start("--etcd-api=2", ready=False)
        strict.wait_log("is the v2 API enabled (--enable-v2)?")
        assert strict.log().count("\n") < 10
    finally:
        world.close()
        etcd.close()


@pytest.mark.parametrize("late", [2, 3])
def test_a_config_is_waited_for_in_both_apis(world, late):
    host = world.host().start(ready=False)
    host.wait_log("not there yet")
    world.etcd.over(late).put(f"{world.prefix}/config", config_text(world))
    host.wait_ready()
    assert f"using the v{late} API" in host.log()


def test_a_cluster_moves_from_v2_to_v3_without_a_lost_packet(own_world, underlay, folder):
    """README's way."""
    world = own_world
    old = World(underlay, world.etcd.over(2), folder, 2)
    old.prefix = world.prefix = "/coreos.com/network"
    try:
        old.config()
        hosts = old.joined(2)
        subnets = [host.subnet for host in hosts]
        here, there = (old.container(host) for host in hosts)
        here.reach(there)
        stream = here.stream(there, 12)
        script = replaced(block("moving"), "http://192.0.2.10:2379", world.etcd.endpoint)
        world.etcd.netns.run("sh", "-e", "-c", script)
        for host in hosts:
            host.restart()
            assert "using v3" in host.log()
        hosts[0].wait_peers(hosts[1])
        hosts[1].wait_peers(hosts[0])
        assert stream.lost() == 0
        assert [host.subnet for host in hosts] == subnets
        assert len(world.leases()) == len(etcd_leases(world)) == 2
        assert all(node["ttl"] > 86000 for node in world.leases())
    finally:
        old.close()
