"""etcd misbehaves, goes away, comes late, is locked: nobody loses a peer over it."""

import json
import os

import pytest

from harness import kernel
from harness.apis import both_apis
from harness.etcd import Etcd
from harness.tls import Tls
from harness.wait import holds, wait_until
from harness.world import World

pytestmark = both_apis


def test_what_is_known_of_a_peer_outlasts_a_value_that_cannot_be_read(world):
    world.config()
    host = world.host().start()
    known = world.peer(200)
    host.wait_peers(known)
    for value in ("{", '{"PublicIP": 1}', "x" * 60000):
        world.etcd.put(world.key(known.subnet), value)
    other = world.peer(201)
    host.wait_peers(known, other)
    known = world.peer(200, address="192.168.202.2")
    host.wait_peers(known, other)


BAD_MAC = ('{"PublicIP": "192.168.202.2", "BackendType": "vxlan", "BackendData": '
           '{"VtepMAC": "01:00:5e:00:00:01"}}')


@pytest.mark.parametrize("value", ["{", BAD_MAC])
def test_a_restart_keeps_the_rows_of_a_peer_whose_entry_went_bad(world, value):
    """Only the rows that may be its own: those of a host that has left go all the same."""
    world.config()
    host = world.host().start()
    doubtful, gone, stays = world.peer(200), world.peer(201), world.peer(202)
    host.wait_peers(doubtful, gone, stays)
    assert host.stop() == 0
    world.drop(gone)
    world.etcd.put(world.key(doubtful.subnet), value)
    host.start()
    host.wait_peers(doubtful, stays)
    holds(lambda: doubtful.subnet in kernel.peers(host.netns, host.device), "its rows stay", 1.0)
    world.drop(doubtful)
    host.wait_peers(stays)
    assert list(kernel.rows(host.netns, host.device)["fdb"]) == [stays.mac]


def test_a_peer_whose_new_mac_is_none_is_reached_as_before(world):
    world.config()
    host = world.host().start()
    known = world.peer(200)
    host.wait_peers(known)
    world.etcd.put(world.key(known.subnet), BAD_MAC)
    other = world.peer(201)
    host.wait_peers(known, other)
    assert host.log().count("it is reached as before") == 1
    moved = world.peer(200, address="192.168.202.2")
    host.wait_peers(moved, other)


def test_writes_elsewhere_do_not_let_the_watch_fall_behind(own_world):
    world = own_world
    world.config()
    host = world.host().start()
    world.etcd.churn("/elsewhere", 2200)
    host.wait_peers(world.peer(200))


def test_a_cut_of_forty_seconds_is_caught_up_with(own_world):
    """S4: half-open connections are found by time, not by waiting for their end."""
    world = own_world
    world.config()
    host = world.host().start()
    known = world.peer(200)
    host.wait_peers(known)
    host.cut_off(world.etcd.address)
    other = world.peer(201)
    holds(lambda: list(host.peers()) == [known.subnet], "what is known stays", 40)
    host.heal()
    host.wait_peers(known, other)


def test_an_outage_costs_nothing_and_is_caught_up_with(own_world):
    world = own_world
    world.config()
    host = world.host().start()
    known = world.peer(200)
    host.wait_peers(known)
    world.etcd.stop()
    lines, cpu = host.log().count("\n"), host.daemon.cpu_seconds()
    holds(host.daemon.running, "flanneld runs without etcd", 10)
    assert host.daemon.cpu_seconds() - cpu <= 0.1
    assert host.log().count("\n") - lines <= 5
    assert host.peers() == {known.subnet: (known.address, known.mac)}
    world.etcd.start()
    host.wait_peers(known, world.peer(201))


def test_a_silent_etcd_is_left_and_caught_up_with(own_world):
    world = own_world
    world.config()
    host = world.host().start()
    known = world.peer(200)
    host.wait_peers(known)
    world.etcd.pause()
    holds(host.daemon.running, "flanneld runs while etcd is silent", 2)
    world.etcd.resume()
    host.wait_peers(known, world.peer(201))


def test_flanneld_waits_for_etcd_and_then_for_the_config(underlay, folder, api):
    etcd = Etcd(underlay, start=False)
    world = World(underlay, etcd, folder, api)
    try:
        host = world.host().start(ready=False)
        wait_until(lambda: any(m.startswith("STATUS=") for m in host.notify.poll()),
                   "flanneld says what it waits for")
        etcd.start()
        host.wait_log(f"{world.prefix}/config")
        world.config()
        host.wait_ready()
    finally:
        world.close()
        etcd.close()


def test_a_config_that_is_refused_is_waited_out(world):
    world.config("10.5.0.0/31")
    host = world.host().start(ready=False)
    host.wait_log("10.5.0.0/31")
    assert host.daemon.running()
    world.config()
    host.wait_ready()


def test_a_restart_during_an_outage_keeps_forwarding(own_world):
    world = own_world
    world.config()
    hosts = world.joined(2)
    here, there = (world.container(host) for host in hosts)
    here.reach(there)
    stream = here.stream(there, 3)
    world.etcd.stop()
    assert hosts[0].stop() == 0
    hosts[0].start(ready=False)
    wait_until(lambda: any(m.startswith("STATUS=") for m in hosts[0].notify.poll()),
               "flanneld waits")
    world.etcd.start()
    hosts[0].wait_ready()
    assert stream.lost() == 0
    hosts[0].wait_peers(hosts[1])


def test_another_cluster_is_noticed_and_nobody_is_lost_before_all_is_known(own_world):
    """As after a restore from a backup that is too old to hold anything of ours."""
    world = own_world
    world.config()
    hosts = world.joined(2)
    world.etcd.stop()
    world.etcd.wipe()
    world.etcd.start()
    world.config()
    for host in hosts:
        host.wait_log("belongs to cluster", timeout=20)
    for host in hosts:
        wait_until(host.lease, "the lease is there again", timeout=20)
    hosts[0].wait_peers(hosts[1], timeout=20)
    hosts[1].wait_peers(hosts[0], timeout=20)
    assert all(host.daemon.running() for host in hosts)


@pytest.mark.parametrize("dead", ["http://127.0.0.1:1", "http://192.168.255.254:2379"])
def test_a_dead_endpoint_is_passed_over(world, dead):
    world.config()
    host = world.host().start(f"--etcd-endpoints={dead},{world.etcd.endpoint}", ready=False)
    host.wait_ready(timeout=20)
    host.wait_peers(world.peer(200))


# --- TLS


def client_flags(tls):
    return (f"--etcd-cafile={tls.ca}", f"--etcd-certfile={tls.client_cert}",
            f"--etcd-keyfile={tls.client_key}")


def test_mutual_tls_joins_and_watches(tls_world, tls):
    tls_world.config()
    first, second = tls_world.joined(2, *client_flags(tls))
    world_peer = tls_world.peer(200)
    first.wait_peers(second, world_peer)


def test_a_server_of_another_ca_is_refused(tls_world, tls, tmp_path):
    tls_world.config()
    os.mkdir(tmp_path / "other")
    stranger = Tls(str(tmp_path / "other"))
    stranger.issue(tls_world.etcd.address)
    host = tls_world.host().start(
        *client_flags(tls), f"--etcd-cafile={stranger.ca}", ready=False)
    host.wait_log("certificate")
    assert host.daemon.running()
    assert tls_world.leases() == []


def test_a_client_without_certificate_gets_nowhere(tls_world, tls):
    tls_world.config()
    host = tls_world.host().start(f"--etcd-cafile={tls.ca}", ready=False)
    wait_until(lambda: any(m.startswith("STATUS=") for m in host.notify.poll()),
               "flanneld says what it waits for")
    assert "READY=1" not in host.notify.poll()
    assert tls_world.leases() == []


def test_values_of_flannel_0_11_and_of_newer_ones_are_read(world):
    world.config()
    host = world.host().start()
    value = {"PublicIP": "192.168.201.1", "PublicIPv6": None, "BackendType": "vxlan",
             "BackendData": {"VtepMAC": "0a:00:00:00:00:c8"}, "Future": [{"x": 1}]}
    world.etcd.put(world.key("10.5.200.0/24"), json.dumps(value))
    expected = {"10.5.200.0/24": ("192.168.201.1", "0a:00:00:00:00:c8")}
    wait_until(lambda: host.peers() == expected, "the peer's rows")
