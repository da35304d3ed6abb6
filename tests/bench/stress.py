# tests/bench/stress.py - when much happens at once: changes as fast as etcd takes them, rows that
# others flush, and signals while all rows go in.
import functools
import os
import signal
import statistics
import threading
import time

import etcd
import measure
import netns
import rtnl

CHANGES = 3000
HEALED = (50, 10000)  # routes that are flushed at once
ANSWERED = "SIGUSR2: "  # what the daemon logs when it gets that signal
PAUSE_S = 0.003


def _stands(d, rows, timeout_s):
    """Wait until all rows stand."""
    deadline = time.monotonic() + timeout_s
    while rows.missing(d.host.ns) is not None:
        if time.monotonic() > deadline:
            d.fail(f"{rows.missing(d.host.ns)} after {timeout_s} s")
        time.sleep(0.05)
        d.must_run()


class _ChangedRows(measure.Rows):
    """What stands once the first of n leases have another MAC."""

    def __init__(self, n, changed):
        super().__init__(n)
        for i in range(changed):
            old, new = etcd.Lease(i), etcd.Lease(i, 1)
            del self.fdb[old.mac]
            self.neighbours[new.subnet] = new.mac
            self.fdb[new.mac] = new.remote


def changes(bench, n):
    """CHANGES leases get another MAC at full speed. @return lag behind etcd and CPU seconds"""
    count = min(CHANGES, n)
    with netns.Host(bench.etcd.ns) as host, rtnl.Watch(host.ns, rtnl.RTMGRP_NEIGH) as watch, \
            bench.daemon(host, bench.QUIET) as d:
        d.wait_for_subnet_env()
        _stands(d, measure.Rows(n), 60 + n / 250)
        time.sleep(measure.AT_REST_S)
        rows, cpu = _ChangedRows(n, count), d.cpu_s()
        watch.only_neighbours()
        took = bench.etcd.change(count, functools.partial(etcd.Lease, generation=1))
        end = last = time.monotonic()
        seen = 0
        while seen < count or rows.missing(host.ns) is not None:
            seen += watch.count()
            last = time.monotonic()
            if last > end + 60:
                d.fail(f"of {count} changes: {rows.missing(host.ns)}")
        result = {"count": count, "etcd_s": took, "lag_s": last - end, "cpu_s": d.cpu_s() - cpu}
        bench.etcd.change(count, etcd.Lease)
        d.stop()
        bench.etcd.delete(d.subnet())
    return result


def _flush(host, folder, count):
    path = os.path.join(folder, "batch.flush")
    with open(path, "w", encoding="ascii") as f:
        f.writelines(f"route del {etcd.Lease(i).subnet_text}/24\n" for i in range(count))
    host.ns.ip("-force", "-batch", path)


def heal(bench, n):
    """Seconds from the end of a flush until its routes are back, for each number that n allows."""
    result = {}
    with netns.Host(bench.etcd.ns) as host, rtnl.Watch(host.ns, rtnl.RTMGRP_IPV4_ROUTE) as watch, \
            bench.daemon(host, bench.QUIET) as d:
        d.wait_for_subnet_env()
        _stands(d, measure.Rows(n), 60 + n / 250)
        time.sleep(measure.AT_REST_S)
        for count in (c for c in HEALED if c <= n):
            times = []
            for _ in range(3):
                watch.drain()
                _flush(host, bench.folder, count)
                end, back = time.monotonic(), watch.count_routes(24)
                while back < count:
                    if time.monotonic() > end + 60:
                        d.fail(f"{back} of {count} routes are back after 60 s")
                    back += watch.count_routes(24)
                times.append(time.monotonic() - end)
                time.sleep(1)
            result[str(count)] = statistics.median(times)
        d.stop()
        bench.etcd.delete(d.subnet())
    return result


class _Caller(threading.Thread):
    """Sends signals, one after the other, and measures how long each waits for its answer."""

    def __init__(self, d):
        super().__init__(daemon=True)
        self.daemon_under_test = d
        self.stop = threading.Event()
        self.waits = []  # (seconds, seconds of the daemon's CPU time)

    def run(self):
        d, answered = self.daemon_under_test, 0
        while not self.stop.is_set():
            begin, cpu = time.monotonic(), d.cpu_s()
            os.kill(d.pid, signal.SIGUSR2)
            while d.log_count(ANSWERED) <= answered and not self.stop.is_set():
                time.sleep(0.0005)
            answered = d.log_count(ANSWERED)
            self.waits.append((time.monotonic() - begin, d.cpu_s() - cpu))
            time.sleep(PAUSE_S)


def answers(bench, n):
    """The longest wait for an answer to a signal while the rows of n leases go in, and while they
    are compared and found to stand."""
    result = {}
    with netns.Host(bench.etcd.ns) as host:
        for name in ("filling", "restart"):
            with bench.daemon(host, bench.QUIET) as d:
                d.wait_for_subnet_env()
                caller = _Caller(d)
                caller.start()
                _stands(d, measure.Rows(n), 60 + n / 250)
                time.sleep(2)
                caller.stop.set()
                caller.join()
                d.stop()
                result[name] = {"longest_s": max(w for w, _ in caller.waits),
                                "longest_cpu_s": max(c for _, c in caller.waits),
                                "signals": len(caller.waits)}
                subnet = d.subnet()
        bench.etcd.delete(subnet)
    return result
