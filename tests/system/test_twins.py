"""Two live hosts with one address: the second refuses, and the first does not feel it (S12)."""

import re

import pytest

from harness import kernel
from harness.apis import both_apis
from harness.wait import wait_until

KINDS = ("vxlan", "host-gw", "udp")


def second_of(world, first, device="eth0"):
    """A host on the same link with the address of another one."""
    twin = world.host(plug=False)
    twin.address = world.underlay.plug(twin.netns, device, address=first.address)
    return twin


def by_file(world, folder):
    """A store that a host with a doubtful address still reaches."""
    path = folder / "network.json"
    path.write_text('{"Network":"10.5.0.0/16","Backend":{"Type":"vxlan"},"Leases":[]}')
    return f"--store=file://{path}"


@both_apis
@pytest.mark.parametrize("kind", KINDS)
def test_the_second_of_two_hosts_with_one_address_refuses(world, kind):
    backend = {"Type": kind, "VNI": world.vni} if kind == "vxlan" else {"Type": kind}
    world.config(Backend=backend)
    first = world.host().start()
    before = first.lease()
    twin = second_of(world, first)
    twin.start(ready=False)
    assert twin.wait_exit() == 3
    mac = kernel.device(first.netns, "eth0")["address"]
    assert f"{first.address}, the address of eth0, is also that of another host, {mac}" in twin.log()
    twin.netns.batch("link set eth0 down")
    after = first.lease()
    assert after["value"] == before["value"] and len(world.leases()) == 1
    assert first.daemon.running() and not re.search("ERROR|WARN  etcd", first.log())


def test_a_restart_and_two_interfaces_on_one_link_are_no_twins(world):
    """The kernel answers on each of them for the addresses of both."""
    world.config()
    host = world.host()
    world.underlay.plug(host.netns, "eth1", default_route=False)
    host.start("--iface=eth0")
    host.netns.batch("link set eth1 down", "link set eth1 up")
    for _ in range(2):
        host.restart("--iface=eth0")
        world.peer(200)
        wait_until(lambda: "is reached" in host.log(), "it works")
    assert "is also that of" not in host.log()


def test_the_check_can_be_turned_off(world, folder):
    world.config()
    first = world.host().start()
    twin = second_of(world, first)
    store = by_file(world, folder)
    twin.start(store, ready=False)
    assert twin.wait_exit() == 3
    twin.start(store, "--address-check=false", ready=False)
    twin.wait_log("no lease with the PublicIP")
    assert twin.log().count("is also that of") == 1


def test_another_public_address_makes_it_a_warning(world, folder):
    world.config()
    first = world.host().start()
    twin = second_of(world, first)
    twin.start(by_file(world, folder), "--public-ip=198.51.100.7", ready=False)
    twin.wait_log("is also that of another host")
    assert twin.daemon.running() and "ERROR" not in twin.log()


def test_without_the_capability_it_is_said_and_goes_on(world):
    world.config()
    host = world.host().start(wrapper=("setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw"))
    assert "is not looked at" in host.log() and "CAP_NET_RAW" in host.log()
