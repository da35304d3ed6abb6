"""A host joins: its lease, its device, its subnet.env, and the ways to the others."""

import os

from harness import kernel
from harness.apis import both_apis


def test_subnet_env_is_what_flannel_writes_byte_for_byte(world):
    world.config()
    host = world.host().start()
    with open(host.subnet_file, "rb") as file:
        written = file.read()
    assert written.decode() == (
        f"FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET={host.gateway}/24\n"
        "FLANNEL_MTU=1450\nFLANNEL_IPMASQ=false\n")
    assert sorted(os.listdir(os.path.dirname(host.subnet_file))) == ["flanneld.sock", "subnet.env"]


@both_apis
def test_the_lease_says_how_to_reach_the_host(world):
    world.config()
    host = world.host().start()
    lease = host.lease()
    assert lease["value"] == {
        "PublicIP": host.address,
        **({"PublicIPv6": None} if world.api == 3 else {}),
        "BackendType": "vxlan",
        "BackendData": {"VNI": world.vni, "VtepMAC": host.mac},
    }
    assert 86390 <= lease["ttl"] <= 86400


def test_the_device_is_made_for_this_overlay(world):
    world.config()
    host = world.host().start()
    device = kernel.device(host.netns, host.device)
    vxlan = device["linkinfo"]["info_data"]
    assert (device["mtu"], "UP" in device["flags"]) == (1450, True)
    assert (vxlan["id"], vxlan["port"], vxlan["learning"]) == (world.vni, 8472, False)
    assert (vxlan["local"], vxlan["link"]) == (host.address, "eth0")
    assert kernel.addresses(host.netns, host.device) == [host.subnet.replace("/24", "/32")]
    assert int(device["address"][:2], 16) & 3 == 2, "local and unicast"


def test_the_mtu_follows_the_underlay(world):
    world.config()
    host = world.host()
    host.netns.batch("link set eth0 mtu 1400")
    host.start()
    assert host.subnet_env()["FLANNEL_MTU"] == "1350"
    assert kernel.device(host.netns, host.device)["mtu"] == 1350


@both_apis
def test_containers_on_three_hosts_ping_each_other(world):
    world.config()
    containers = [world.container(host) for host in world.joined(3)]
    for one in containers:
        for other in containers:
            one.reach(other)
    largest = str(containers[0].mtu - 28)
    assert containers[0].pings(containers[1].address, "-M", "do", "-s", largest)
    containers[0].transfer(containers[1], 100_000_000)
    containers[2].transfer(containers[0], 100_000_000)


def test_a_host_reaches_a_container_of_another_host(world):
    world.config()
    first, second = world.joined(2)
    container = world.container(second)
    ping = ("ping", "-n", "-q", "-c", "1", "-W", "2", container.address)
    assert first.netns.run(*ping).returncode == 0


@both_apis
def test_the_network_config_shapes_the_subnet(world):
    world.config("10.5.0.0/16", SubnetLen=26, SubnetMin="10.5.7.64", SubnetMax="10.5.7.64")
    host = world.host().start()
    assert host.subnet_env()["FLANNEL_SUBNET"] == "10.5.7.65/26"
    assert world.lease("10.5.7.64/26")


def test_keys_of_the_network_config_match_without_regard_to_case(world):
    world.etcd.put(
        f"{world.prefix}/config",
        '{"network": "10.5.7.1/16", "backend": {"type": "vxlan", "vni": %d}}' % world.vni)
    host = world.host().start()
    assert host.subnet_env()["FLANNEL_NETWORK"] == "10.5.0.0/16"
