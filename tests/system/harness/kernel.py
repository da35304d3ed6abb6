"""What stands in a namespace's tables."""

import contextlib
import re

from .processes import Process
from .wait import wait_until

PROTOCOL = "70"


@contextlib.contextmanager
def monitor(netns, folder):
    """What ip(8) sees change meanwhile."""
    process = Process(netns, ["ip", "-o", "monitor", "route", "neigh", "nexthop"],
                      f"{folder}/monitor")
    try:
        yield process.log
    finally:
        process.close()


_SNAPSHOT = (
    "ip -d link show", "ip -d addr show", "ip -d route show table all",
    "ip -6 -d route show table all", "ip -d nexthop show", "ip rule show",
    "ip neigh show nud permanent", "ip neigh show proxy", "bridge fdb show",
    "iptables-nft-save", "iptables-legacy-save", "nft -s list ruleset",
)
# Hash tables of the kernel, which it lays out anew as they grow.
_UNORDERED = ("ip neigh show nud permanent", "ip neigh show proxy", "bridge fdb show")
_VOLATILE = re.compile(r"^#.*\n|\[\d+:\d+\]|\bqdisc \S+|^ +valid_lft .*\n", re.M)


def wait_addresses(netns):
    """Until the kernel has checked that all IPv6 addresses are unique, which it announces."""
    wait_until(lambda: "tentative" not in netns.run("ip", "addr", "show").stdout,
               "all addresses are there")


def snapshot(netns):
    """All tables of a namespace that a flanneld may write to, as their programs print them:
    {command: lines}. Counters and comments are left out, and what the kernel has learnt."""
    wait_addresses(netns)
    tables = {command: _VOLATILE.sub("", netns.run(*command.split()).stdout).splitlines()
              for command in _SNAPSHOT}
    for command in _UNORDERED:
        tables[command].sort()
    return tables


def _routes(netns, device):
    return {
        r["dst"]: r["gateway"]
        for r in netns.json(f"ip route show dev {device}")
        if r.get("protocol") == PROTOCOL and "onlink" in r.get("flags", ())
    }


def _neighbours(netns, device):
    return {
        n["dst"]: n["lladdr"]
        for n in netns.json(f"ip -4 neigh show dev {device}")
        if "PERMANENT" in n["state"]
    }


def _fdb(netns, device):
    return {
        f["mac"]: f["dst"]
        for f in netns.json(f"bridge fdb show dev {device}")
        if "dst" in f
    }


def device(netns, name):
    """A device as `ip -d link` shows it, or None."""
    found = [link for link in netns.json("ip link show") if link["ifname"] == name]
    return found[0] if found else None


def addresses(netns, name):
    """IPv4 addresses with lengths: ["10.5.1.0/32"]."""
    return [
        f"{a['local']}/{a['prefixlen']}"
        for link in netns.json(f"ip -4 addr show dev {name}")
        for a in link["addr_info"]
    ]


def peers(netns, name):
    """Peers whose three rows are there and agree: {subnet: (public address, MAC)}."""
    if not device(netns, name):
        return {}
    neighbours, fdb = _neighbours(netns, name), _fdb(netns, name)
    found = {}
    for subnet, gateway in _routes(netns, name).items():
        mac = neighbours.get(gateway)
        if gateway == subnet.partition("/")[0] and mac in fdb:
            found[subnet] = (fdb[mac], mac)
    return found


def gateways(netns, device="eth0"):
    """Routes of ours by hosts on the link of a device: {subnet: gateway}."""
    return {
        r["dst"]: r["gateway"]
        for r in netns.json(f"ip route show dev {device}")
        if r.get("protocol") == PROTOCOL and "gateway" in r and "onlink" not in r.get("flags", ())
    }


def routes(netns):
    """All routes of ours, whatever their device: {subnet: device}."""
    return {r["dst"]: r["dev"] for r in netns.json(f"ip route show protocol {PROTOCOL}")}


def nexthops(netns):
    """Gateways of our nexthop objects, each once or there is one too many."""
    return sorted(n["gateway"] for n in netns.json("ip nexthop show")
                  if n.get("protocol") == PROTOCOL)


def packets(netns, name):
    """(received, sent) by a device so far."""
    stats = [link for link in netns.json("ip -s link show") if link["ifname"] == name][0]["stats64"]
    return stats["rx"]["packets"], stats["tx"]["packets"]


def rows(netns, name):
    """Everything of ours on the device, whole or not: to see that nothing is left over."""
    return {
        "routes": _routes(netns, name),
        "neighbours": _neighbours(netns, name),
        "fdb": _fdb(netns, name),
    }
