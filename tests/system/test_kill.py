"""kill -9 at any moment of a busy life: the next start reaches the right state, what flows goes on
flowing, and nothing of others is touched.

KILLS=200 kills that often, KILL_SEED repeats the moments.
"""

import os
import random
import time

from harness import kernel
from harness.wait import wait_equal

KILLS = int(os.environ.get("KILLS", "25"))
SEED = int(os.environ.get("KILL_SEED", str(random.randrange(1 << 32))))


def foreign(host):
    """What others have put there: rows inside the network, rules."""
    routes = [line for line in host.netns.run("ip", "route").stdout.splitlines() if "bird" in line]
    rules = host.netns.run("iptables", "-t", "nat", "-S", "POSTROUTING").stdout.splitlines()
    return routes, [rule for rule in rules if "172.30." in rule]


def disturb(world, chance, peers):
    """Peers come, go and change, so that there is something to be in the middle of."""
    for _ in range(chance.randrange(6)):
        third = chance.randrange(200, 250)
        if third in peers and chance.random() < 0.5:
            world.drop(peers.pop(third))
        else:
            peers[third] = world.peer(third, mac=f"0a:00:00:00:{third:02x}:{chance.randrange(256):02x}")


def test_a_kill_at_any_moment_costs_nothing(world):
    world.config()
    print(f"KILL_SEED={SEED}")
    chance, peers = random.Random(SEED), {}
    host, other = world.joined(2, "--ip-masq")
    here, there = world.container(host), world.container(other)
    host.netns.batch("route add 10.5.77.0/24 via 192.168.0.1 metric 50 proto bird",
                     "route add 10.5.200.0/24 via 192.168.0.1 metric 50 proto bird")
    host.netns.run("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", "172.30.0.0/16", "-j", "ACCEPT")
    theirs, mac, subnet = foreign(host), host.mac, host.subnet
    here.reach(there)
    stream = here.stream(there, max(8, KILLS * 0.3))
    longest = 0.05
    for _ in range(KILLS):
        disturb(world, chance, peers)
        time.sleep(chance.random() * longest)
        host.kill()
        host.start("--ip-masq", ready=False)
        # The next one comes anywhere from the first instruction to some time after READY.
        time.sleep(chance.random() * longest)
        if chance.random() < 0.5:
            host.wait_ready()
    host.wait_ready()
    host.wait_peers(other, *peers.values(), timeout=20)
    assert stream.lost() == 0
    assert (host.mac, host.subnet) == (mac, subnet)
    assert foreign(host) == theirs
    wait_equal(lambda: len(world.leases()), 2 + len(peers), "no lease is left over")
    wait_equal(lambda: kernel.device(host.netns, host.device)["address"], mac, "one device")
    rules = host.netns.run("iptables", "-t", "nat", "-S", "POSTROUTING").stdout
    assert rules.count("FLANNEL-POSTRTG") == 1
