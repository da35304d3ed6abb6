# tests/bench/reference.py - the same rows by ip -batch and bridge -batch, as a measure for ours.
import os
import time

import etcd
import netns

VXLAN = ("link", "add", "flannel.1", "type", "vxlan", "id", "1", "dstport", "8472", "nolearning",
         "local", netns.Host.ADDRESS, "dev", "eth0")


def _neighbours(leases):
    return (f"neigh replace {x.subnet_text} lladdr {x.mac_text} dev flannel.1 nud permanent\n"
            for x in leases)


def _fdb(leases):
    return (f"fdb replace {x.mac_text} dev flannel.1 dst {x.remote_text} self\n" for x in leases)


def _gateways(leases):
    return (f"route replace {x.subnet_text}/24 via {x.subnet_text} dev flannel.1 onlink\n"
            for x in leases)


def _nexthops(leases):
    for i, x in enumerate(leases):
        yield f"nexthop replace id {i + 1} via {x.subnet_text} dev flannel.1 onlink\n"
    for i, x in enumerate(leases):
        yield f"route replace {x.subnet_text}/24 nhid {i + 1}\n"


def program(etcd_ns, folder, n, with_nexthops):
    """Program the rows of n leases into a fresh namespace. @return seconds in the tools"""
    leases = [etcd.Lease(i) for i in range(n)]
    files = {}
    for name, lines in (("neigh", _neighbours(leases)), ("fdb", _fdb(leases)),
                        ("route", _nexthops(leases) if with_nexthops else _gateways(leases))):
        files[name] = os.path.join(folder, f"batch.{name}")
        with open(files[name], "w", encoding="ascii") as f:
            f.writelines(lines)
    with netns.Host(etcd_ns) as host:
        host.ns.ip(*VXLAN)
        host.ns.ip("addr", "add", "10.255.255.0/32", "dev", "flannel.1")
        host.ns.ip("link", "set", "flannel.1", "up")
        begin = time.monotonic()
        host.ns.ip("-batch", files["neigh"])
        host.ns.run(["bridge", "-batch", files["fdb"]])
        host.ns.ip("-batch", files["route"])
        return time.monotonic() - begin


def _host_gw(leases, with_nexthops):
    if not with_nexthops:
        for x in leases:
            yield f"route replace {x.subnet_text}/24 via {x.remote_text} dev eth0\n"
        return
    for i, x in enumerate(leases):
        yield f"nexthop replace id {i + 1} via {x.remote_text} dev eth0\n"
    for i, x in enumerate(leases):
        yield f"route replace {x.subnet_text}/24 nhid {i + 1}\n"


def program_gateways(etcd_ns, folder, n, with_nexthops):
    """The same for host-gw. @return seconds in ip"""
    path = os.path.join(folder, "batch.route")
    with open(path, "w", encoding="ascii") as f:
        f.writelines(_host_gw([etcd.GatewayLease(i) for i in range(n)], with_nexthops))
    with netns.Host(etcd_ns) as host:
        host.ns.ip("route", "add", "172.16.0.0/12", "dev", "eth0")
        begin = time.monotonic()
        host.ns.ip("-batch", path)
        return time.monotonic() - begin
