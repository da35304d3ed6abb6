"""What flanneld needs of a small host, and what it leaves there at any time."""

import itertools
import random
import signal

import pytest

from harness.build import is_sanitized
from harness.kinds import WIDE, configure, crowd
from harness.wait import holds, wait_until

MIB = 1 << 20


def test_a_thousand_peers_need_less_than_four_megabytes_and_no_wake_ups(world):
    if is_sanitized():
        pytest.skip("the sanitizer needs more memory than flanneld")
    configure(world, "vxlan", **WIDE)
    peers = crowd(world, "vxlan", 1000)
    host = world.host().start()
    host.wait_peers(*peers, timeout=30)
    wait_until(lambda: host.daemon.resident() < 4 * MIB, "less than 4 MiB are resident")
    print(f"resident: {host.daemon.resident() / MIB:.2f} MiB")

    def slept():
        before = host.daemon.wake_ups()
        holds(host.daemon.running, "it runs", 2)
        return host.daemon.wake_ups() == before

    wait_until(slept, "it sleeps for two seconds")


def test_subnet_env_is_whole_whenever_it_is_looked_at(world):
    """It is killed at any time around writing it, which another MTU makes it do."""
    world.config()
    host = world.host().start()
    subnet = host.subnet_env()["FLANNEL_SUBNET"]
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    seen = set()
    for mtu in itertools.islice(itertools.cycle((1400, 1500)), 12):
        host.set_mtu(mtu)
        holds(lambda: len(host.subnet_env()) == 4, "all four lines are there", chance.random() / 5)
        host.daemon.stop(signal.SIGKILL)
        env = host.subnet_env()
        assert env["FLANNEL_NETWORK"] == "10.5.0.0/16" and env["FLANNEL_SUBNET"] == subnet
        assert env["FLANNEL_IPMASQ"] == "false"
        assert env["FLANNEL_MTU"] in ("1350", "1450")
        seen.add(env["FLANNEL_MTU"] == str(mtu - 50))
        host.start()
        assert host.subnet_env()["FLANNEL_MTU"] == str(mtu - 50)
    print(f"killed before it was written and after it: {sorted(seen)}")
