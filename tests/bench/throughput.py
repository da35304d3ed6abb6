# tests/bench/throughput.py - TCP between two hosts: rows made by flanneld, and the same by hand.
"""The packets are the kernel's in both cases, so nothing but noise may tell them apart. The two pairs of
hosts take turns, run by run, so that both see the same noise."""

import hashlib
import os
import socket
import statistics
import struct
import threading
import time

import daemon
import etcd
import netns

SECONDS = 1.0
WARM_UP = 0.2
BLOCK = bytes(1 << 18)


class Site:
    """One of two hosts on a link: a namespace that knows its part of the overlay."""

    def __init__(self, lan, number, name):
        self.address = f"192.168.78.{number}"
        self.gateway = netns.Host.GATEWAY  # of etcd, behind the LAN
        self.ns = netns.Netns()
        self.inner = None
        lan.ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", self.ns.path)
        lan.ip("link", "set", name, "master", "br0", "up")
        self.ns.ip("addr", "add", f"{self.address}/24", "dev", "eth0")
        self.ns.ip("link", "set", "eth0", "up")
        self.ns.ip("route", "add", "default", "via", "192.168.78.1")

    def take(self, subnet):
        """Have the first address of 10.x.y.0, as a container's host has."""
        self.inner = subnet.rpartition(".")[0] + ".1"
        self.ns.ip("addr", "add", f"{self.inner}/32", "dev", "lo")

    def close(self):
        self.ns.close()


class Pair:
    """Two sites on a bridge in a namespace of its own, which etcd is in as well if it is needed."""

    def __init__(self, lan, prefix):
        self._lan = lan
        self._names = [f"{prefix}{n}" for n in (1, 2)]
        lan.ip("link", "add", "br0", "type", "bridge")
        lan.ip("addr", "add", "192.168.78.1/24", "dev", "br0")
        lan.ip("link", "set", "br0", "up")
        self.sites = [Site(lan, 11 + i, name) for i, name in enumerate(self._names)]

    def bytes_per_second(self):
        here, there = self.sites
        return transfer(here, there)

    def close(self):
        for site in self.sites:
            site.close()
        for name in (*self._names, "br0"):
            self._lan.ip("link", "del", name, must_work=False)


def _drain(server, done):
    connection, _ = server.accept()
    room, count = bytearray(len(BLOCK)), 0
    begin = None
    with connection:
        while n := connection.recv_into(room):
            now = time.monotonic()
            begin = begin or now
            if now - begin >= WARM_UP:
                count += n
    done.append(count / (time.monotonic() - begin - WARM_UP))


def transfer(here, there):
    """Bytes per second of one connection."""
    with there.ns.inside():
        server = socket.create_server((there.inner, 0))
    with here.ns.inside():
        client = socket.socket()
    done = []
    with server, client:
        client.bind((here.inner, 0))
        receiver = threading.Thread(target=_drain, args=(server, done))
        receiver.start()
        client.connect(server.getsockname())
        end = time.monotonic() + SECONDS + WARM_UP
        while time.monotonic() < end:
            client.sendall(BLOCK)
        client.shutdown(socket.SHUT_WR)
        receiver.join()
    return done[0]


class Ours:
    """A pair whose rows flanneld makes; it runs meanwhile."""

    def __init__(self, bench, kind):
        self._bench = bench
        self._prefix = f"/bench/throughput/{kind}"
        bench.etcd.configure(self._prefix, {"Network": "10.0.0.0/8", "Backend": {"Type": kind}})
        self._daemons = []
        self.pair = Pair(bench.etcd.ns, "ours")
        try:
            self._join()
        except BaseException:
            self.close()
            raise

    def _join(self):
        for i, site in enumerate(self.pair.sites):
            folder = os.path.join(self._bench.folder, f"site{i}")
            os.makedirs(folder, exist_ok=True)
            self._daemons.append(daemon.Daemon(
                site, self._bench.program, folder,
                (*self._bench.QUIET, f"--etcd-prefix={self._prefix}",
                 f"--etcd-endpoints=http://192.168.78.1:{etcd.PORT}")))
        for site, d in zip(self.pair.sites, self._daemons):
            d.wait_for_subnet_env()
            site.take(d.subnet())
        for site, other in (self.pair.sites, reversed(self.pair.sites)):
            _wait_for_answer(site, other)

    def close(self):
        for d in self._daemons:
            if d.pid:
                subnet = d.subnet()
                d.stop()
                self._bench.etcd.delete(subnet, self._prefix)
            d.close()
        self.pair.close()


class ByHand:
    """A pair whose rows ip(8) and bridge(8) make, in the way that reference.py does."""

    def __init__(self, kind):
        self._lan = netns.Netns()
        self.pair = Pair(self._lan, "hand")
        for i, site in enumerate(self.pair.sites):
            site.take(f"10.5.{i + 1}.0")
        for site, other in (self.pair.sites, reversed(self.pair.sites)):
            (self._vxlan if kind == "vxlan" else self._host_gw)(site, other)
        for site, other in (self.pair.sites, reversed(self.pair.sites)):
            _wait_for_answer(site, other)

    @staticmethod
    def _subnet(site):
        return site.inner.rpartition(".")[0] + ".0"

    @staticmethod
    def _mac(site):
        digest = hashlib.sha256(site.address.encode()).digest()
        return ":".join(f"{b:02x}" for b in struct.pack("!B5s", 2, digest[:5]))

    def _vxlan(self, site, other):
        subnet, mac = self._subnet(other), self._mac(other)
        site.ns.ip("link", "add", "flannel.1", "mtu", "1450", "address", self._mac(site), "type",
                   "vxlan", "id", "1", "dstport", "8472", "nolearning", "local", site.address,
                   "dev", "eth0")
        site.ns.ip("addr", "add", f"{self._subnet(site)}/32", "dev", "flannel.1")
        site.ns.ip("link", "set", "flannel.1", "up")
        site.ns.ip("neigh", "replace", subnet, "lladdr", mac, "dev", "flannel.1", "nud",
                   "permanent")
        site.ns.run(["bridge", "fdb", "replace", mac, "dev", "flannel.1", "dst", other.address,
                     "self"])
        site.ns.ip("route", "replace", f"{subnet}/24", "via", subnet, "dev", "flannel.1", "onlink")

    def _host_gw(self, site, other):
        site.ns.ip("route", "replace", f"{self._subnet(other)}/24", "via", other.address)

    def close(self):
        self.pair.close()
        self._lan.close()


def _wait_for_answer(site, other):
    """Until a ping of the other's inner address, from ours, is answered."""
    deadline = time.monotonic() + 20
    argv = ["ping", "-n", "-q", "-c", "1", "-W", "1", "-I", site.inner, other.inner]
    while site.ns.run(argv, must_work=False) != 0:
        if time.monotonic() > deadline:
            raise netns.CommandError(f"{site.inner} does not reach {other.inner}")
        time.sleep(0.05)


def _compare(bench, kind):
    ours, by_hand = Ours(bench, kind), None
    try:
        by_hand = ByHand(kind)
        runs = []
        for turn in range(bench.opts.pairs):
            both = [ours.pair, by_hand.pair]
            order = both if turn % 2 == 0 else both[::-1]
            rates = {id(pair): pair.bytes_per_second() for pair in order}
            runs.append((rates[id(ours.pair)], rates[id(by_hand.pair)]))
    finally:
        ours.close()
        if by_hand:
            by_hand.close()
    mine, theirs = ([r[i] for r in runs] for i in (0, 1))
    return {"kind": kind, "ours": statistics.median(mine) * 8e-9,
            "by_hand": statistics.median(theirs) * 8e-9,
            "ratio": statistics.median(a / b for a, b in runs),
            "spread": statistics.pstdev(theirs) / statistics.mean(theirs)}


def measure(bench):
    """Ours against by hand, for each backend whose packets are the kernel's."""
    result = []
    for kind in ("host-gw", "vxlan"):
        bench.say(f"throughput of {kind}: {bench.opts.pairs} pairs of runs")
        result.append(_compare(bench, kind))
    return result
