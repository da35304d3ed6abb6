"""etcd has forgotten what happened: a snapshot, compared attribute by attribute, and on from there."""

import pytest

from harness.trace import Trace


# etcd keeps 1000 events, of all keys, for v2
@pytest.mark.parametrize("api", [2], ids=["v2"])
@pytest.mark.parametrize("writes_elsewhere, cleared", [(1200, 1), (0, 0)])
def test_a_cleared_event_index_leads_to_a_snapshot_and_its_difference(
        own_world, folder, writes_elsewhere, cleared):
    world = own_world
    world.config()
    trace = Trace(f"{folder}/trace", "%network,read")
    host = world.host().start(wrapper=trace.wrapper, env=trace.env)
    changes, goes, stays = world.peer(200), world.peer(201), world.peer(202)
    host.wait_peers(changes, goes, stays)
    host.cut_off(world.etcd.address)
    changes = world.peer(200, mac="0a:11:22:33:44:55")
    world.drop(goes)
    comes = world.peer(203)
    world.etcd.churn("/elsewhere", writes_elsewhere)
    host.heal()
    host.wait_peers(changes, stays, comes, timeout=20)
    assert host.stop() == 0
    answers = [line for line in trace.ended() if r'{\"errorCode\":401,' in line]
    assert len(answers) == cleared
    assert host.log().count("events may have been missed; taking a snapshot") == cleared
    assert host.log().count("leases of other hosts, 0 entries of no use") == 1 + cleared
    listed = [line for line in trace.lines() if "/subnets?recursive=true&quorum" in line]
    assert len(listed) == 1 + cleared, "to acquire, which is the first snapshot, and after the 401"


@pytest.mark.parametrize("api", [3], ids=["v3"])
def test_a_compacted_revision_leads_to_a_snapshot_and_its_difference(own_world):
    world = own_world
    world.config()
    host = world.host().start()
    changes, goes, stays = world.peer(200), world.peer(201), world.peer(202)
    host.wait_peers(changes, goes, stays)
    host.cut_off(world.etcd.address, "reject with tcp reset")
    changes = world.peer(200, mac="0a:11:22:33:44:55")
    world.drop(goes)
    comes = world.peer(203)
    world.etcd.churn("/elsewhere", 10)
    world.etcd.compact()
    host.wait_log("retrying", timeout=30)
    host.heal()
    host.wait_peers(changes, stays, comes, timeout=20)
    assert host.log().count("events may have been missed; taking a snapshot") == 1
