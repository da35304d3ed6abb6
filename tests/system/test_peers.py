"""Leases of others become rows in the kernel, and nothing else does."""

from harness import kernel
from harness.apis import both_apis
from harness.wait import holds, wait_equal, wait_until

pytestmark = both_apis

NO_ROWS = {"routes": {}, "neighbours": {}, "fdb": {}}


def joined_host(world):
    world.config()
    return world.host().start()


def test_a_lease_reaches_the_kernel_and_leaves_it(world):
    host = joined_host(world)
    peer = world.peer(200)
    host.wait_peers(peer)
    world.drop(peer)
    host.wait_peers()
    assert kernel.rows(host.netns, host.device) == NO_ROWS
    assert host.netns.json("ip nexthop show") == []


def test_an_expired_lease_leaves_the_kernel(world):
    host = joined_host(world)
    peer = world.peer(200)
    host.wait_peers(peer)
    world.put_lease(peer.subnet, peer.address, peer.mac, ttl=1)
    host.wait_peers()


def test_leases_that_were_there_before_are_taken_over(world):
    world.config()
    peers = [world.peer(third) for third in range(200, 220)]
    world.host().start().wait_peers(*peers)


def test_a_peer_that_moves_is_followed(world):
    host = joined_host(world)
    host.wait_peers(world.peer(200))
    host.wait_peers(world.peer(200, address="192.168.201.9"))
    moved = world.peer(200, address="192.168.201.9", mac="0a:11:22:33:44:55")
    host.wait_peers(moved)
    assert list(kernel.rows(host.netns, host.device)["fdb"]) == [moved.mac]


def test_leases_of_another_type_are_ignored_and_counted(world):
    host = joined_host(world)
    world.put_lease("10.5.201.0/24", "192.168.201.1", "0a:00:00:00:00:01", kind="udp")
    world.put_lease("10.5.203.0/24", "192.168.201.3", "0a:00:00:00:00:03", kind="host-gw")
    peer = world.peer(202)
    host.wait_peers(peer)
    for subnet, kind in (("10.5.201.0/24", "udp"), ("10.5.203.0/24", "host-gw")):
        said = [line for line in host.log().splitlines() if f" {subnet} of " in line]
        assert len(said) == 1 and f"its backend is {kind}, ours is vxlan" in said[0]
    host.restart()
    host.wait_peers(peer)
    assert host.log().count("3 leases of other hosts: 1 reached, 2 ignored or of another "
                            "backend, 0 waiting for a route, 0 left out") == 1


def test_leases_outside_the_network_are_ignored(world):
    host = joined_host(world)
    world.put_lease("10.9.1.0/24", "192.168.201.1", "0a:00:00:00:00:01")
    host.wait_peers(world.peer(202))


def test_leases_of_one_address_share_rows_until_the_last_goes(world):
    host = joined_host(world)
    shared = {"address": "192.168.201.9", "mac": "0a:11:22:33:44:55"}
    first, second = world.peer(200, **shared), world.peer(201, **shared)
    host.wait_peers(first, second)
    world.drop(first)
    host.wait_peers(second)


def test_peers_that_left_while_the_daemon_was_down_are_swept(world):
    host = joined_host(world)
    gone, stays = world.peer(200), world.peer(201)
    host.wait_peers(gone, stays)
    assert host.stop() == 0
    world.drop(gone)
    host.start().wait_peers(stays)
    left = kernel.rows(host.netns, host.device)
    wait_until(lambda: len(kernel.rows(host.netns, host.device)["neighbours"]) == 1,
               f"the stale neighbour is gone of {left}")
    assert list(kernel.rows(host.netns, host.device)["fdb"]) == [stays.mac]


def test_routes_of_others_are_left_alone(world):
    host = joined_host(world)
    host.netns.batch(
        "route add 10.5.250.0/24 via 192.168.0.1",
        f"route add 10.5.251.0/24 dev {host.device} proto static",
        "nexthop add id 4711 via 192.168.0.1 dev eth0")
    host.restart()
    host.wait_peers(world.peer(200))
    routes = {route["dst"] for route in host.netns.json("ip route show")}
    assert {"10.5.250.0/24", "10.5.251.0/24"} <= routes
    assert 4711 in {nexthop["id"] for nexthop in host.netns.json("ip nexthop show")}


def test_a_change_while_the_daemon_was_down_is_caught_up_with(world):
    host = joined_host(world)
    host.wait_peers(world.peer(200), world.peer(201))
    assert host.stop() == 0
    changed = world.peer(200, address="192.168.202.2", mac="0a:11:22:33:44:55")
    stays = world.peer(201)
    host.start().wait_peers(changed, stays)


def test_rows_that_are_right_are_not_touched_by_a_restart(world):
    host = joined_host(world)
    peer = world.peer(200)
    host.wait_peers(peer)
    with kernel.monitor(host.netns, world.folder) as changes:
        host.restart()
        other = world.peer(201)
        host.wait_peers(peer, other)
        wait_until(lambda: "10.5.201.0" in changes(), "the monitor sees the new peer")
    assert "10.5.200.0" not in changes()


def test_a_device_that_fits_is_adopted_with_its_mac(world):
    host = joined_host(world)
    assert host.stop() == 0
    host.netns.batch(f"link set {host.device} address 0a:aa:bb:cc:dd:ee")
    host.start()
    assert host.mac == "0a:aa:bb:cc:dd:ee"
    wait_equal(lambda: host.lease()["value"]["BackendData"]["VtepMAC"], host.mac,
               "the lease tells the MAC of the device")


def test_a_device_that_does_not_fit_is_replaced(world):
    world.config()
    host = world.host()
    host.netns.batch(
        f"link add {host.device} type vxlan id {world.vni} dev eth0 local {host.address} "
        "dstport 4789 nolearning")
    host.start()
    vxlan = kernel.device(host.netns, host.device)["linkinfo"]["info_data"]
    assert vxlan["port"] == 8472


def test_twelve_hosts_at_once_share_a_pool_of_thirteen(world):
    world.config(SubnetMin="10.5.1.0", SubnetMax="10.5.13.0")
    hosts = [world.host() for _ in range(12)]
    for host in hosts:
        host.start(ready=False)
    for host in hosts:
        host.wait_ready(timeout=30)
    assert len({host.subnet for host in hosts}) == 12
    for host in hosts:
        host.wait_peers(*(other for other in hosts if other is not host), timeout=30)
    holds(lambda: all(host.daemon.running() for host in hosts), "all run", 0.2)
