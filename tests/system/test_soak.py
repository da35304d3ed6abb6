"""A busy life: five hosts on which much happens at random. At the end every kernel is as the store
says, and nobody has grown.

SOAK_SECONDS=1800 makes it last half an hour, SOAK_SEED repeats a run as far as time allows.
"""

import contextlib
import os
import random
import time

from harness import kernel
from harness.build import is_sanitized
from harness.wait import wait_until

SECONDS = float(os.environ.get("SOAK_SECONDS", "35"))
SEED = int(os.environ.get("SOAK_SEED", str(random.randrange(1 << 32))))
HOSTS = 5
STEADY = 2  # of them are never restarted: what they need is looked at


class Soak:
    """What may happen, and what is true of the others meanwhile."""

    def __init__(self, world, chance):
        self.world = world
        self.chance = chance
        self.hosts = [world.host() for _ in range(HOSTS)]
        self.peers = {}
        self.happened = {}
        for host in self.hosts:
            host.start("--ip-masq", "--subnet-lease-ttl=20s", "--healthz-port=8471")

    def mac(self):
        return "0a:" + ":".join(f"{self.chance.randrange(256):02x}" for _ in range(5))

    def any_host(self):
        return self.chance.choice(self.hosts)

    # --- in the store

    def join(self):
        third = self.chance.randrange(200, 250)
        self.peers[third] = self.world.peer(third, mac=self.mac())

    def leave(self):
        if self.peers:
            self.world.drop(self.peers.pop(self.chance.choice(sorted(self.peers))))

    def restart_etcd(self):
        self.world.etcd.stop()
        time.sleep(self.chance.random())
        self.world.etcd.start()

    def delete_a_lease(self):
        with contextlib.suppress(AssertionError):  # it is gone, and not there again yet
            self.world.etcd.delete(self.world.key(self.any_host().subnet))

    def nonsense(self):
        third = self.chance.randrange(200, 250)
        if third not in self.peers:
            key = self.world.key(f"10.5.{third}.0/24")
            self.world.etcd.put(key, self.chance.choice(["", "{", "null", '{"PublicIP":7}']))
            self.world.etcd.delete(key)

    # --- on a host

    def flap(self):
        host = self.any_host()
        host.netns.batch("link set eth0 down")
        time.sleep(self.chance.random() / 5)
        host.netns.batch("link set eth0 up",
                         f"route replace default via {self.world.underlay.gateway}")

    def flush_the_firewall(self):
        self.any_host().netns.run("nft", "flush", "ruleset")

    def delete_rows(self):
        host = self.any_host()
        routes = host.netns.run("ip", "route", "show", "proto", "70").stdout.splitlines()
        for line in self.chance.sample(routes, min(3, len(routes))):
            host.netns.run("ip", "route", "del", line.split()[0], check=False)
        host.netns.run("ip", "neigh", "flush", "dev", host.device, "nud", "permanent", check=False)

    def delete_the_device(self):
        self.any_host().netns.run("ip", "link", "del", self.hosts[0].device, check=False)

    def restart(self):
        host = self.chance.choice(self.hosts[STEADY:])
        if self.chance.random() < 0.5:
            host.kill()
        else:
            assert host.stop() == 0
        time.sleep(self.chance.random() / 2)
        host.start("--ip-masq", "--subnet-lease-ttl=20s", "--healthz-port=8471", ready=False)
        host.wait_ready(timeout=30)

    # --- the life

    def step(self):
        names = (["join"] * 8 + ["leave"] * 5 + ["flap", "delete_rows", "delete_rows", "nonsense",
                 "flush_the_firewall", "restart", "delete_the_device", "delete_a_lease"])
        if self.chance.random() < 0.02:
            names = ["restart_etcd"]
        name = self.chance.choice(names)
        self.happened[name] = self.happened.get(name, 0) + 1
        getattr(self, name)()
        time.sleep(self.chance.random() / 10)

    def wait_settled(self):
        for host in self.hosts:
            wait_until(lambda host=host: kernel.device(host.netns, host.device), "its device", 60)
        for host in self.hosts:
            others = [other for other in self.hosts if other is not host]
            host.wait_peers(*others, *self.peers.values(), timeout=60)
            wait_until(lambda host=host: has_rules(host), "its rules stand", 60)
            assert host.daemon.running()


def has_rules(host):
    done = host.netns.run("iptables", "-t", "nat", "-S", check=False)
    return "-A POSTROUTING -m comment --comment \"flanneld masq\" -j FLANNEL-POSTRTG" in done.stdout


def needs(host):
    """Resident bytes of its own, open descriptors."""
    return host.daemon.resident_anon(), len(os.listdir(f"/proc/{host.daemon.pid}/fd"))


def test_a_busy_life_ends_as_the_store_says(own_world):
    world = own_world
    world.config()
    print(f"SOAK_SEED={SEED}")
    soak = Soak(world, random.Random(SEED))
    begin, before = time.monotonic(), None
    while (past := time.monotonic() - begin) < SECONDS:
        if before is None and past > min(60, SECONDS / 3):
            soak.wait_settled()
            before = [needs(host) for host in soak.hosts[:STEADY]]
        soak.step()
    soak.wait_settled()
    after = [needs(host) for host in soak.hosts[:STEADY]]
    print(", ".join(f"{name} {count}" for name, count in sorted(soak.happened.items())))
    print(f"resident, descriptors: {before}, at the end {after}")
    for (memory_then, fds_then), (memory, fds) in zip(before, after):
        # A sanitizer keeps what was freed, for a while.
        assert is_sanitized() or memory <= memory_then * 1.05 + 128 * 1024, "memory grows"
        assert fds <= fds_then + 3, "descriptors are left open"  # connections come and go
