"""What the Backend object of the network config may hold, for each backend."""

import pytest

WRONG = [
    ("VNI", "1"), ("VNI", 0), ("VNI", 1.5), ("VNI", 2**24), ("VNI", [1]),
    ("Port", "8472"), ("Port", 65536), ("Port", {}),
    ("MTU", "1500"), ("MTU", 117), ("MTU", True),
    ("GBP", 1), ("GBP", "true"),
    ("Learning", "true"), ("Learning", []),
    ("DirectRouting", 1), ("DirectRouting", "yes"), ("DirectRouting", {}),
]


@pytest.mark.parametrize("key,value", WRONG)
def test_a_wrong_value_for_vxlan_ends_it_with_exit_4(world, key, value):
    world.config(Backend={"Type": "vxlan", key: value})
    host = world.host()
    host.start(ready=False)
    assert host.wait_exit() == 4
    assert f"network config: Backend.{key} is " in host.log()
    assert "backend vxlan refuses to start" in host.log()
    assert world.leases() == []


@pytest.mark.parametrize("kind", ["vxlan", "host-gw", "alloc"])
def test_an_unknown_key_is_named_and_ignored(world, kind):
    world.config(Backend={"Type": kind, "VNI": world.vni, "Learnin": 1, "Nested": {"a": []}})
    host = world.host().start()
    for key in ("Learnin", "Nested") if kind == "vxlan" else ("VNI", "Learnin", "Nested"):
        assert f"unknown key Backend.{key} is ignored" in host.log()
    assert host.lease()["value"]["BackendType"] == kind


@pytest.mark.parametrize("kind", ["vxlan", "host-gw", "alloc"])
def test_each_backend_needs_nothing_but_its_type(world, kind):
    world.config(Backend={"type": kind})
    host = world.host().start()
    assert "unknown key" not in host.log()


def test_exit_4_if_the_interface_has_too_little_mtu_for_vxlan(world):
    world.config()
    host = world.host()
    host.netns.batch("link set eth0 mtu 100")
    host.start(ready=False)
    assert host.wait_exit() == 4
    assert "eth0: its MTU is 100, must be at least 118" in host.log()
