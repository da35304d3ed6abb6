"""The own lease: kept, renewed, given up, and never another's."""

import os

import pytest

from harness import kernel
from harness.apis import both_apis
from harness.wait import holds, wait_equal, wait_until

pytestmark = both_apis

SHORT = "--subnet-lease-ttl=5s"  # the shortest there is


def test_a_restart_keeps_subnet_and_mac(world):
    world.config()
    host = world.host().start()
    before = (host.subnet, host.mac, host.lease()["value"])
    host.restart()
    assert (host.subnet, host.mac, host.lease()["value"]) == before
    assert len(world.leases()) == 1


def test_the_mac_is_the_same_for_a_new_device(world):
    world.config()
    host = world.host().start()
    mac = host.mac
    assert host.stop() == 0
    host.netns.batch(f"link del {host.device}")
    host.start()
    assert host.mac == mac


def test_the_lease_of_this_address_is_taken_over_without_subnet_env(world):
    world.config()
    host = world.host().start()
    subnet = host.subnet
    assert host.stop() == 0
    os.unlink(host.subnet_file)
    host.start()
    assert host.subnet == subnet


def test_the_previous_subnet_is_asked_for_again(world):
    world.config()
    host = world.host().start()
    subnet = host.subnet
    assert host.stop() == 0
    world.etcd.delete(world.key(subnet))
    host.start()
    assert host.subnet == subnet


def config_over_the_underlay(world, **members):
    """Two subnets: one holds the addresses of hosts on the underlay, the other none."""
    world.config("192.168.0.0/16", **{
        "SubnetMin": "192.168.0.0", "SubnetMax": "192.168.192.0", "SubnetLen": 18, **members})


def test_no_subnet_with_the_own_address_is_leased(world):
    config_over_the_underlay(world, SubnetMax="192.168.64.0")
    host = world.host()
    world.put_lease("192.168.0.0/18", host.address, "0a:00:00:00:00:01")
    os.makedirs(os.path.dirname(host.subnet_file))
    with open(host.subnet_file, "w", encoding="ascii") as file:
        file.write("FLANNEL_NETWORK=192.168.0.0/16\nFLANNEL_SUBNET=192.168.0.1/18\n")
    host.start()
    assert host.subnet_env()["FLANNEL_SUBNET"] == "192.168.64.1/18"
    assert world.lease("192.168.0.0/18") is None
    assert host.log().count(f"holds this host's own address {host.address}") == 2
    assert host.log().count("Network 192.168.0.0/16 overlaps 192.168.0.0/16") == 1


def test_no_lease_leads_the_tunnel_into_itself(world):
    config_over_the_underlay(world, SubnetMin="192.168.64.0", SubnetMax="192.168.64.0")
    host = world.host().start()
    world.put_lease("192.168.0.0/18", "192.0.2.1", "0a:00:00:00:00:01")
    world.put_lease("192.168.128.0/18", "192.168.128.9", "0a:00:00:00:00:02")
    world.put_lease("192.168.192.0/18", "192.0.2.3", "0a:00:00:00:00:03")
    wait_equal(lambda: list(host.peers()), ["192.168.192.0/18"], "the one sane lease is reached")
    assert "holds our own address" in host.log() and "holds its own PublicIP" in host.log()


def test_a_device_of_an_earlier_vni_is_named(world):
    world.config()
    host = world.host().start()
    host.netns.batch("link add flannel.br type bridge", "addr add 10.5.9.1/24 dev flannel.br")
    host.restart()
    assert "ip link del" not in host.log()  # neither its own nor somebody's bridge
    before = host.device
    world.vni += 50000
    world.config()
    host.restart()
    assert host.log().count(f"ip link del {before}") == 1
    assert kernel.device(host.netns, before)["ifname"] == before
    host.netns.batch(f"link del {before}")
    host.restart()
    assert host.log().count("ip link del") == 1


def test_a_previous_subnet_that_another_holds_is_not_taken(world):
    world.config()
    host = world.host().start()
    subnet = host.subnet
    assert host.stop() == 0
    world.put_lease(subnet, "192.168.201.1", "0a:00:00:00:00:01")
    host.start()
    assert host.subnet != subnet
    assert world.lease(subnet)["value"]["PublicIP"] == "192.168.201.1"


@pytest.mark.parametrize("garbage", [
    b"", b"\0\xff\xfe" * 1000, b"FLANNEL_SUBNET=10.5.300.1/24\n", b"FLANNEL_SUBNET=\n=\n"])
def test_garbage_in_subnet_env_is_passed_over(world, garbage):
    world.config()
    host = world.host()
    os.makedirs(os.path.dirname(host.subnet_file))
    with open(host.subnet_file, "wb") as file:
        file.write(garbage)
    host.start()
    assert host.lease()


def test_a_lease_that_the_config_no_longer_allows_is_replaced(world):
    world.config()
    host = world.host()
    world.put_lease("10.9.1.0/24", host.address, "0a:00:00:00:00:01")
    host.start()
    assert host.subnet.startswith("10.5.")
    assert world.lease("10.9.1.0/24") is None


def test_a_reservation_stays_without_ttl(world):
    world.config()
    host = world.host()
    world.put_lease("10.5.77.0/24", host.address, "0a:00:00:00:00:01")
    host.start("--subnet-lease-ttl=5s")
    assert host.subnet == "10.5.77.0/24"
    assert host.lease()["value"]["BackendData"]["VtepMAC"] == host.mac
    holds(lambda: "ttl" not in host.lease(), "a reservation", 3.5)
    host.restart("--subnet-lease-ttl=5s")
    assert host.subnet == "10.5.77.0/24"
    assert "ttl" not in host.lease()


def test_a_renewal_wakes_no_watcher(world):
    world.config()
    host = world.host().start(SHORT)
    lease, watcher = host.lease(), world.watcher()
    wait_until(lambda: host.lease()["ttl"] < 4, "it gets old", interval=0.1)
    wait_until(lambda: host.lease()["ttl"] >= 4, "a renewal", interval=0.1)
    peer = world.peer(200)
    wait_until(lambda: watcher.events, "the event of the peer")
    assert [event["node"]["key"] for event in watcher.events] == [world.key(peer.subnet)]
    assert host.lease()["value"] == lease["value"]


def test_a_lease_outlives_its_ttl_by_renewals(world):
    world.config()
    host = world.host().start("--subnet-lease-ttl=5s")
    created = host.lease()["createdIndex"]
    holds(lambda: (host.lease() or {}).get("createdIndex") == created, "the same lease", 7)


def test_an_own_lease_that_was_deleted_is_made_again(world):
    world.config()
    host, other = world.joined(2)
    before = host.lease()
    world.etcd.delete(world.key(host.subnet))
    wait_until(host.lease, "the lease is back")
    assert host.lease()["value"] == before["value"]
    assert host.lease()["ttl"] > 86000
    other.wait_peers(host)
    assert host.daemon.running()


def test_an_own_lease_that_another_took_is_never_overwritten(world):
    world.config()
    host = world.host().start()
    world.put_lease(host.subnet, "192.168.201.1", "0a:00:00:00:00:01")
    assert host.wait_exit() == 6
    assert host.subnet in host.log() and "192.168.201.1" in host.log()
    assert world.lease(host.subnet)["value"]["PublicIP"] == "192.168.201.1"


def test_a_lease_taken_behind_our_back_is_never_overwritten(world):
    world.config()
    host = world.host().start(SHORT)
    host.cut_off(world.etcd.address)
    world.put_lease(host.subnet, "192.168.201.1", "0a:00:00:00:00:01")
    holds(host.daemon.running, "flanneld runs while it is cut off", 1)
    host.heal()
    assert host.wait_exit(timeout=20) == 6
    assert world.lease(host.subnet)["value"]["PublicIP"] == "192.168.201.1"


def test_release_on_exit_deletes_the_lease(world):
    world.config()
    host = world.host().start("--release-on-exit")
    assert host.stop() == 0
    assert world.leases() == []


def test_an_exhausted_pool_is_said_and_waited_out(world):
    world.config(SubnetMin="10.5.1.0", SubnetMax="10.5.2.0")
    first, _ = world.joined(2, "--release-on-exit")
    late = world.host().start(ready=False)
    late.wait_log("10.5.1.0")
    assert late.daemon.running()
    assert first.stop() == 0
    late.wait_ready()
    assert len(world.leases()) == 2


def test_the_public_address_is_what_the_lease_tells(world):
    world.config()
    host = world.host().start("--public-ip=203.0.113.9")
    assert host.lease()["value"]["PublicIP"] == "203.0.113.9"


def test_a_new_public_address_keeps_the_subnet(world):
    world.config()
    host = world.host().start()
    subnet = host.subnet
    assert host.stop() == 0
    world.etcd.delete(world.key(subnet))
    host.start("--public-ip=203.0.113.9")
    assert host.subnet == subnet
    wait_equal(lambda: host.lease()["value"]["PublicIP"], "203.0.113.9", "the new address")
