# tests/bench/measure.py - the measurements themselves. Each starts from a fresh host.
import contextlib
import os
import random
import statistics
import struct
import time

import daemon
import etcd
import netns
import reference
import rtnl
import wire

PLAIN_MAX = 16000  # beyond, the kernel takes minutes for plain gateways on one device
AT_REST_S = 3  # the start is over: by then it has given back what only that needed
SETTLED_S = 10  # by then, timers that belong to the start have run out


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def start_times(bench, extra):
    """Seconds from exec to subnet.env, with no other lease, no device and no rules."""
    times, stops = [], []
    for _ in range(bench.opts.starts):
        with netns.Host(bench.etcd.ns) as host, bench.daemon(host, extra) as d:
            times.append(d.wait_for_subnet_env())
            time.sleep(0.1)
            stops.append(d.stop())
            bench.etcd.delete(d.subnet())
    return times, stops


class Rows:
    """What the kernel must hold for the first n leases."""

    def __init__(self, n):
        leases = [etcd.Lease(i) for i in range(n)]
        self.neighbours = {x.subnet: x.mac for x in leases}
        self.fdb = {x.mac: x.remote for x in leases}
        self.routes = {(x.subnet, 24): x.subnet for x in leases}

    def missing(self, ns):
        """One line about what is missing or wrong, None if nothing is."""
        dev = rtnl.ifindex(ns, "flannel.1")
        for name, wanted, found in (("routes", self.routes, rtnl.routes(ns, dev)),
                                    ("FDB entries", self.fdb, rtnl.fdb(ns, dev)),
                                    ("neighbours", self.neighbours, rtnl.neighbours(ns, dev))):
            wrong = sum(1 for k, v in wanted.items()
                        if k not in found or found[k] not in (v, None))
            if wrong:
                return f"{wrong} of {len(wanted)} {name} are missing or wrong"
            if len(found) != len(wanted):
                return f"{len(found) - len(wanted)} {name} too many"
        return None


class GatewayRows:
    """The same for host-gw."""

    def __init__(self, n):
        leases = [etcd.GatewayLease(i) for i in range(n)]
        self.routes = {(x.subnet, 24): x.remote for x in leases}

    def missing(self, ns):
        """As Rows.missing()."""
        routes = rtnl.routes(ns, rtnl.ifindex(ns, "eth0"))
        found = {key: via for key, via in routes.items() if key[1] == 24}
        wrong = sum(1 for k, v in self.routes.items()
                    if k not in found or found[k] not in (v, None))
        if wrong:
            return f"{wrong} of {len(self.routes)} routes are missing or wrong"
        if len(found) != len(self.routes):
            return f"{len(found) - len(self.routes)} routes too many"
        return None


def _wait_for_rows(d, watch, rows, timeout_s):
    """Seconds from exec until all rows stand.

    Routes come last for each peer, so their number tells when to look; how often we count follows
    the size of the job (about 1 % of it), for counting costs CPU time too.
    """
    n, seen = len(rows.routes), 0
    step = max(0.0005, n / 16000 * 0.004)
    deadline = d.begin + timeout_s
    while seen < n:
        if time.monotonic() > deadline:
            d.fail(f"{seen} of {n} routes after {timeout_s} s")
        time.sleep(step)
        seen += watch.count_routes(24)
        d.must_run()
    at = time.monotonic()
    while (wrong := rows.missing(d.host.ns)) is not None:
        if time.monotonic() > deadline:
            d.fail(f"{wrong} after {timeout_s} s")
        time.sleep(0.02)
        at = time.monotonic()
    return at - d.begin


@contextlib.contextmanager
def _filled(bench, member, n, flags):
    """A daemon whose rows of n leases stand, and the seconds that took. Who uses it stops it."""
    rows = Rows(n)
    with netns.Host(member.ns) as host, rtnl.Watch(host.ns, rtnl.RTMGRP_IPV4_ROUTE) as watch:
        with bench.daemon(host, flags) as d:
            took = _wait_for_rows(d, watch, rows, 60 + n / 250)
            d.wait_for_subnet_env()
            yield d, took
            member.delete(d.subnet())


def fill(bench, n):
    """Start with n leases in etcd; rows, memory, CPU time, and rest. @return one run's figures"""
    with _filled(bench, bench.etcd, n, bench.QUIET) as (d, took):
        run = {"rows_s": took, "cpu_s": d.cpu_s()}
        time.sleep(AT_REST_S)
        d.must_run()
        run["memory_kib"] = d.memory_kib()
        run["stop_s"] = d.stop()
    return run


def apis(bench, n):
    """Starts with n leases, over v2 and v3 in turns, of one etcd that holds them in both.
    @return {API: [seconds until all rows stand]}"""
    times, usual = {}, etcd.API
    folder = os.path.join(bench.folder, "both")
    os.makedirs(folder, exist_ok=True)
    member = etcd.Etcd(folder)
    try:
        for etcd.API in wire.APIS.values():
            member.prepare()
            member.load(n)
        for _ in range(bench.opts.pairs):
            for name, etcd.API in wire.APIS.items():
                with _filled(bench, member, n, (*bench.QUIET, f"--etcd-api={name}")) as (d, took):
                    times.setdefault(name, []).append(took)
                    d.stop()
    finally:
        etcd.API = usual
        member.close()
    return times


def rest(bench, n):
    """Wake-ups and CPU time per second while nothing happens."""
    with _filled(bench, bench.etcd, n, ()) as (d, _):
        time.sleep(SETTLED_S)
        wakeups, cpu, begin = d.wakeups(), d.cpu_s(), time.monotonic()
        time.sleep(bench.opts.idle)
        took = time.monotonic() - begin
        d.must_run()
        result = {"wakeups_per_s": (d.wakeups() - wakeups) / took,
                  "cpu_ms_per_s": (d.cpu_s() - cpu) * 1000 / took}
        d.stop()
    return result


def _change(conn, watch, lease, wanted):
    """Write a lease; @return seconds until the kernel has announced the wanted rows"""
    watch.drain()
    begin = time.monotonic()
    conn.sendall(lease.request())
    at = watch.wait(wanted, 10)
    answer = conn.recv(65536)
    if not answer.startswith((b"HTTP/1.1 200", b"HTTP/1.1 201")):
        raise netns.CommandError(f"etcd refuses a lease: {answer[:200]!r}")
    return None if at is None else at - begin


def _events(bench, n):
    """Seconds from the PUT of one lease to etcd's event at a watcher: the part that is etcd's."""
    times = []
    with bench.etcd.connect() as conn:
        for turn in range(bench.opts.changes):
            with bench.etcd.watch() as watcher:
                time.sleep(random.uniform(0.005, 0.015))
                begin = time.monotonic()
                conn.sendall(etcd.Lease(n, turn % 2).request())
                watcher.recv(65536)
                times.append(time.monotonic() - begin)
                conn.recv(65536)
    bench.etcd.delete(etcd.Lease(n).subnet_text)
    return times


def changes(bench, n):
    """Seconds from the PUT of one lease to the kernel's word that its rows are there.

    One process, one clock: it sends the PUT and receives the notifications.
    """
    events = _events(bench, n)
    added, changed = [], []
    groups = rtnl.RTMGRP_IPV4_ROUTE | rtnl.RTMGRP_NEIGH
    with netns.Host(bench.etcd.ns) as host, rtnl.Watch(host.ns, groups) as watch, \
            bench.etcd.connect() as conn, bench.daemon(host, ()) as d:
        while rtnl.ifindex(host.ns, "flannel.1") == 0 or Rows(n).missing(host.ns):
            time.sleep(0.05)
            d.must_run()
            if time.monotonic() > d.begin + 60 + n / 250:
                d.fail(f"the rows of {n} leases do not stand")
        own = struct.unpack("!I", bytes(map(int, d.subnet().split("."))))[0]
        free = [i for i in range(n, etcd.MAX_LEASES + 1000) if (10 << 24) + ((i + 1) << 8) != own]
        for turn, i in enumerate(free[:bench.opts.changes]):
            time.sleep(random.uniform(0.002, 0.012))
            for generation, times in ((0, added), (1, changed)):
                x = etcd.Lease(i, generation)
                wanted = {("neigh", x.subnet, x.mac), ("fdb", x.mac, x.remote)}
                if generation == 0:
                    wanted.add(("route", x.subnet))
                took = _change(conn, watch, x, wanted)
                if took is None:
                    d.fail(f"change {turn} ({x.subnet_text}) has not reached the kernel in 10 s")
                times.append(took)
                time.sleep(random.uniform(0.002, 0.012))
        for i in free[:bench.opts.changes]:
            bench.etcd.delete(etcd.Lease(i).subnet_text)
        d.stop()
        bench.etcd.delete(d.subnet())
    return {name: {"median_s": statistics.median(v), "p99_s": percentile(v, 0.99), "n": len(v)}
            for name, v in (("added", added), ("changed", changed), ("event", events))}


def size(bench, n):
    """All that is measured with n leases."""
    bench.say(f"{n} leases: loading")
    result = {"n": n, "load_s": bench.etcd.load(n)}
    time.sleep(1)
    answers = [bench.etcd.answer_time() for _ in range(3)]
    result["etcd_s"] = statistics.median(a[0] for a in answers)
    result["etcd_bytes"] = answers[0][1]
    runs = []
    for i in range(bench.opts.repeat):
        bench.say(f"{n} leases: start {i + 1} of {bench.opts.repeat}")
        runs.append(fill(bench, n))
    for key in ("rows_s", "cpu_s", "stop_s"):
        result[key] = statistics.median(r[key] for r in runs)
    result["rows_range_s"] = [min(r["rows_s"] for r in runs), max(r["rows_s"] for r in runs)]
    result["memory_kib"] = {k: statistics.median(r["memory_kib"][k] for r in runs)
                            for k in runs[0]["memory_kib"]}
    bench.say(f"{n} leases: at rest for {bench.opts.idle} s")
    result["rest"] = rest(bench, n)
    if bench.opts.reference:
        bench.say(f"{n} leases: ip -batch, bridge -batch")
        for key, nexthops in (("nexthops_s", True), ("gateways_s", False)):
            result[key] = None if n > PLAIN_MAX and not nexthops else statistics.median(
                reference.program(bench.etcd.ns, bench.folder, n, nexthops)
                for _ in range(bench.opts.repeat))
    return result


def _fill_gateways(bench, n):
    """Start host-gw with n leases in etcd. @return (seconds to all routes, CPU seconds)"""
    rows = GatewayRows(n)
    with netns.Host(bench.etcd.ns) as host, rtnl.Watch(host.ns, rtnl.RTMGRP_IPV4_ROUTE) as watch:
        host.ns.ip("route", "add", "172.16.0.0/12", "dev", "eth0")  # the others are on the link
        with bench.daemon(host, (*bench.QUIET, f"--etcd-prefix={etcd.GATEWAY_PREFIX}")) as d:
            took = _wait_for_rows(d, watch, rows, 60 + n / 250)
            d.wait_for_subnet_env()
            cpu = d.cpu_s()
            d.stop()
            bench.etcd.delete(d.subnet(), etcd.GATEWAY_PREFIX)
    return took, cpu


def gateways(bench, n):
    """host-gw with n leases, and beside it the same routes by ip -batch."""
    bench.say(f"host-gw, {n} leases: loading")
    bench.etcd.load(n, etcd.GatewayLease)
    time.sleep(1)
    runs = []
    for i in range(bench.opts.repeat):
        bench.say(f"host-gw, {n} leases: start {i + 1} of {bench.opts.repeat}")
        runs.append(_fill_gateways(bench, n))
    result = {"n": n, "rows_s": statistics.median(r[0] for r in runs),
              "rows_range_s": [min(runs)[0], max(runs)[0]],
              "cpu_s": statistics.median(r[1] for r in runs)}
    if bench.opts.reference:
        bench.say(f"host-gw, {n} leases: ip -batch")
        for key, nexthops in (("nexthops_s", True), ("gateways_s", False)):
            result[key] = None if n > PLAIN_MAX and not nexthops else statistics.median(
                reference.program_gateways(bench.etcd.ns, bench.folder, n, nexthops)
                for _ in range(bench.opts.repeat))
    return result
