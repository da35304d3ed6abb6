"""Entries below subnets/ that are of no use: each affects itself alone, and is said once."""

import json

import pytest

from harness.apis import both_apis
from harness.wait import wait_until

pytestmark = both_apis

OWN = "10.5.52.0/24"  # the pool of these tests has no other subnet


def lease(address="192.168.201.1", data=None, **others):
    """A lease that is right but for what is given."""
    return json.dumps({"PublicIP": address, "BackendType": "vxlan",
                       "BackendData": data or {"VtepMAC": "0a:00:00:00:00:01"}, **others})


# Keys that are those of leases: the value is what is wrong with them.
BAD_VALUES = [
    "", "{", "null", "[]", "42", '"text"', "{}", "[" * 5000, "x" * 60000,
    json.dumps({"PublicIP": "192.168.201.1", "BackendType": "vxlan", "Padding": "x" * 60000}),
    lease(42),
    lease("not an address"),
    lease("0.0.0.0"),
    lease("127.0.0.1"),
    lease("224.0.0.1"),
    lease("240.0.0.1"),
    lease("255.255.255.255"),
    lease("fd00::1"),
    lease(BackendType=7),
    lease(BackendType="../vxlan"),
    '{"PublicIP": "192.168.201.1", "BackendType": "vxlan"}',
    '{"PublicIP": "192.168.201.1", "BackendType": "vxlan", "BackendData": []}',
    lease(data={"VtepMAC": 1}),
    lease(data={"VtepMAC": "0a:00:zz"}),
    lease(data={"VtepMAC": "01:00:5e:00:00:01"}),
]

# Keys that no lease has, each with a value that would do.
BAD_KEYS = ["foo", "10.1.2.0-99", "10.5.3.0", "-", "10.5.3.1-24", "10.5.300.0-24",
            "10.5.3.0-24-24", "10.5.3.0-24x", "%s%n", "0.0.0.0-8", "0.5.4.0-24",
            "127.0.1.0-24", "224.5.4.0-24", "240.5.4.0-24", "255.255.255.0-24",
            "10.5.4.0-0", "10.5.4.1-32", "fd00::-64", "a" * 300]

# Keys of leases that are nobody's to have, and what is said of them.
BAD_PLACES = [
    ("10.9.1.0-24", "its subnet is outside of Network"),
    ("10.5.0.0-16", "its subnet is outside of Network"),
    ("10.0.0.0-8", "its subnet is outside of Network"),
    ("10.5.48.0-21", "its subnet overlaps ours"),
    ("10.5.52.0-25", "its subnet overlaps ours"),
    ("10.5.52.128-25", "its subnet overlaps ours"),
    ("10.5.52.0-24&fd00::-64", "another key for our own subnet"),
]


def path(world, key):
    return f"{world.prefix}/subnets/{key}"


def put_bad_entries(world):
    for key in BAD_KEYS:
        world.etcd.put(path(world, key), lease())
    for third, value in enumerate(BAD_VALUES, start=150):
        world.etcd.put(world.key(f"10.5.{third}.0/24"), value)
    for key, _ in BAD_PLACES:
        world.etcd.put(path(world, key), lease())
    world.etcd.put(path(world, "folder/10.5.5.0-24"), lease())
    world.etcd.put(path(world, "10.5.6.0-24/10.5.7.0-24"), lease())


def warnings(host):
    return [line for line in host.log().splitlines() if " WARN " in line]


def said_of(host, key):
    """What the log says of an entry, under its key (cut if it is long) or under its subnet."""
    names = (f"subnets/{key[:120]}: ", f" {key.partition('&')[0].replace('-', '/')} of ")
    return [line for line in warnings(host) if any(name in line for name in names)]


def assert_each_is_said_once(host, folders):
    for key in BAD_KEYS + folders:
        assert len(said_of(host, key)) == 1, (key, said_of(host, key))
    for third in range(150, 150 + len(BAD_VALUES)):
        key = f"10.5.{third}.0-24"
        assert len(said_of(host, key)) == 1, (BAD_VALUES[third - 150][:99], said_of(host, key))
    for key, reason in BAD_PLACES:
        said = said_of(host, key)
        assert len(said) == 1 and reason in said[0], (key, said)
    all_of_them = len(BAD_KEYS + folders) + len(BAD_VALUES) + len(BAD_PLACES)
    assert len(warnings(host)) == all_of_them


@pytest.fixture
def pool_of_one(world):
    world.config(SubnetMin="10.5.52.0", SubnetMax="10.5.52.0")
    return world


def test_bad_entries_in_events_affect_only_themselves(pool_of_one):
    world = pool_of_one
    host = world.host().start()
    assert host.subnet == OWN
    before = world.peer(200)
    host.wait_peers(before)
    put_bad_entries(world)
    after = world.peer(201)
    host.wait_peers(before, after)
    assert_each_is_said_once(host, ["folder/10.5.5.0-24", "10.5.6.0-24/10.5.7.0-24"])


def test_bad_entries_in_a_snapshot_affect_only_themselves(pool_of_one):
    world = pool_of_one
    host = world.host().start()  # has its lease, which the entries overlap
    assert host.stop() == 0
    put_bad_entries(world)
    before = world.peer(200)
    host.start()
    after = world.peer(201)
    host.wait_peers(before, after)
    assert host.subnet == OWN
    assert_each_is_said_once(host, ["folder", "10.5.6.0-24"] if world.api == 2 else
                             ["folder/10.5.5.0-24", "10.5.6.0-24/10.5.7.0-24"])


@pytest.mark.parametrize("key", ["10.5.0.0-16", "10.0.0.0-8"])
def test_an_entry_as_large_as_the_network_does_not_use_up_the_pool(pool_of_one, key):
    world = pool_of_one
    world.etcd.put(path(world, key), lease())
    host = world.host().start()
    assert host.subnet == OWN
    host.wait_peers(world.peer(200))


def test_a_second_lease_of_our_own_address_leads_nowhere(pool_of_one):
    world = pool_of_one
    host = world.host().start()
    world.put_lease("10.5.60.0/24", host.address, "0a:00:00:00:00:01")
    host.wait_peers(world.peer(200))
    said = said_of(host, "10.5.60.0-24")
    assert len(said) == 1 and "a second lease of our own address" in said[0]


@pytest.mark.parametrize("garbage", ["", "{", "x" * 60000, lease(42)],
                         ids=["empty", "torn", "long", "wrong"])
def test_garbage_in_our_own_entry_is_put_right(pool_of_one, garbage):
    world = pool_of_one
    host = world.host().start()
    other = world.peer(200)
    host.wait_peers(other)
    before = host.lease()
    world.etcd.put(world.key(OWN), garbage, ttl=3600)
    wait_until(lambda: world.etcd.get(world.key(OWN))["value"] != garbage, "it is written again")
    assert host.lease()["value"] == before["value"]
    assert host.lease()["ttl"] > 86000
    host.wait_peers(other, world.peer(201))
    assert host.log().count(f"{OWN}: our lease was written over; restoring it") == 1
    assert host.log().count(f"{OWN}: lease restored") == 1
