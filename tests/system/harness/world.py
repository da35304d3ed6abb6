"""One overlay network of one test: its config, leases, hosts and containers."""

import itertools
import json

from .container import Container, Listener
from .host import Host
from .netns import Netns
from .wait import wait_equal

_numbers = itertools.count(1)


class FakePeer:
    """A lease that no host stands behind."""

    def __init__(self, subnet, address, mac):
        self.subnet = subnet
        self.address = address
        self.mac = mac


class World:
    """Everything that is made through it is removed by close()."""

    def __init__(self, underlay, etcd, folder, api=2):
        number = next(_numbers)
        self.underlay = underlay
        self.etcd = etcd.over(api)
        self.api = api
        self.folder = str(folder)
        self.prefix = f"/test/{number}"
        self.vni = number
        self.hosts = []
        self._others = []

    # --- in etcd

    def config(self, network="10.5.0.0/16", **members):
        """Set the network config; Backend is vxlan with this world's VNI if not given. Hosts pick
        subnets below 10.5.200.0, so that fake peers may have those above."""
        backend = members.pop("Backend", {"Type": "vxlan", "VNI": self.vni})
        if network == "10.5.0.0/16" and "SubnetMin" not in members:
            members.setdefault("SubnetMax", "10.5.199.0")
        config = {"Network": network, "Backend": backend, **members}
        self.etcd.put(f"{self.prefix}/config", json.dumps(config))

    def key(self, subnet):
        return f"{self.prefix}/subnets/{subnet.replace('/', '-')}"

    def lease(self, subnet):
        """The node with its value decoded, or None."""
        node = self.etcd.get(self.key(subnet))
        return node and {**node, "value": json.loads(node["value"])}

    def leases(self):
        return self.etcd.list(f"{self.prefix}/subnets")

    def put_lease(self, subnet, address, mac, kind="vxlan", **options):
        """Without a MAC it has no BackendData."""
        value = {"PublicIP": address, "BackendType": kind}
        if mac:
            value["BackendData"] = {"VNI": self.vni, "VtepMAC": mac}
        self.etcd.put(self.key(subnet), json.dumps(value), **options)

    def peer(self, third, address=None, mac=None):
        """A fake peer with the subnet 10.5.<third>.0/24."""
        peer = FakePeer(
            f"10.5.{third}.0/24",
            address or f"192.168.200.{third}",
            mac or f"0a:00:00:00:00:{third:02x}")
        self.put_lease(peer.subnet, peer.address, peer.mac, ttl=3600)
        return peer

    def gateway_peer(self, third, address=None):
        """The same of type host-gw."""
        peer = FakePeer(f"10.5.{third}.0/24", address or f"192.168.200.{third}", None)
        self.put_lease(peer.subnet, peer.address, None, kind="host-gw", ttl=3600)
        return peer

    def crowd(self, count, kind="vxlan"):
        """So many fake peers, in a network that is 10.0.0.0/8: 10.100.0.0/24 and what follows."""
        connection, peers = self.etcd.connect(), []
        for number in range(count):
            high, low = divmod(number, 250)
            mac = f"0a:01:00:00:{high:02x}:{low:02x}" if kind == "vxlan" else None
            peer = FakePeer(f"10.{100 + high}.{low}.0/24", f"192.168.{200 + high}.{low + 1}", mac)
            self.put_lease(peer.subnet, peer.address, mac, kind, connection=connection, ttl=3600)
            peers.append(peer)
        connection.close()
        return peers

    def drop(self, peer):
        self.etcd.delete(self.key(peer.subnet))

    # --- hosts and what hangs on them

    def host(self, plug=True):
        host = Host(self, len(self.hosts) + 1, plug)
        self.hosts.append(host)
        return host

    def neighbour(self, host):
        """A second flanneld where that host's is."""
        neighbour = Host(self, len(self.hosts) + 1, netns=host.netns)
        neighbour.address = host.address
        self.hosts.append(neighbour)
        return neighbour

    def joined(self, count, *flags, wait=Host.wait_peers):
        """So many hosts that have joined and reach each other, which wait sees."""
        hosts = [self.host() for _ in range(count)]
        for host in hosts:
            host.start(*flags)
        for host in hosts:
            wait(host, *(other for other in hosts if other is not host))
        return hosts

    def container(self, host):
        return self.keep(Container(host))

    def listener(self, netns):
        return self.keep(Listener(netns))

    def watcher(self):
        return self.keep(self.etcd.watcher(f"{self.prefix}/subnets"))

    def outsider(self):
        """A machine on the underlay that is no part of the overlay: namespace, address."""
        netns = Netns("outside")
        self.keep(netns)
        return netns, self.underlay.plug(netns)

    def wait_leases(self, count):
        wait_equal(lambda: len(self.leases()), count, "so many leases in etcd")

    def keep(self, thing):
        """Have it closed with the world."""
        self._others.append(thing)
        return thing

    def close(self):
        faults = []
        for thing in reversed(self.hosts + self._others):
            try:
                getattr(thing, "close", getattr(thing, "delete", None))()
            except AssertionError as fault:
                faults.append(str(fault))
        assert not faults, "\n\n".join(faults)
