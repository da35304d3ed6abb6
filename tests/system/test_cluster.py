"""A cluster of three members, of which some are lost: nobody loses a peer over it."""

import pytest

from harness.apis import both_apis
from harness.etcd import Cluster
from harness.wait import holds
from harness.world import World

pytestmark = both_apis


@pytest.fixture
def cluster(underlay):
    made = Cluster(underlay)
    yield made
    made.close()


@pytest.fixture
def world(underlay, cluster, folder, api):
    """What the tests say to etcd goes to the last member, which stays; flanneld uses the first."""
    made = World(underlay, cluster.members[2], folder, api)
    yield made
    made.close()


def joined_host(world, cluster):
    world.config()
    host = world.host().start(f"--etcd-endpoints={cluster.endpoints}")
    known = world.peer(200)
    host.wait_peers(known)
    return host, known


def test_the_member_in_use_is_killed(world, cluster):
    host, known = joined_host(world, cluster)
    cluster.members[0].stop()
    world.etcd.wait_healthy()
    host.wait_peers(known, world.peer(201), timeout=20)


def test_the_member_in_use_falls_silent(world, cluster):
    host, known = joined_host(world, cluster)
    host.cut_off(cluster.members[0].address)
    host.wait_peers(known, world.peer(201), timeout=45)


def test_without_a_majority_it_waits_and_forwards(world, cluster):
    host, known = joined_host(world, cluster)
    for member in cluster.members[:2]:
        member.stop()
    lines = host.log().count("\n")
    holds(lambda: host.daemon.running() and list(host.peers()) == [known.subnet],
          "what is known stays", 10)
    assert host.log().count("\n") - lines <= 5
    for member in cluster.members[:2]:
        member.spawn()
    for member in cluster.members:
        member.wait_healthy()
    host.wait_peers(known, world.peer(201), timeout=20)


def test_a_member_that_has_lost_the_others_is_left(world, cluster):
    """It answers clients, and knows nothing new."""
    host, known = joined_host(world, cluster)
    cluster.separate(cluster.members[0])
    world.etcd.wait_healthy()
    host.wait_peers(known, world.peer(201), timeout=100)
