"""The network between the hosts: a bridge in a namespace of its own."""

import ipaddress
import itertools

from .netns import Netns



class Underlay:
    """Gives out addresses, each once, and plugs namespaces into the bridge."""

    def __init__(self, network="192.168.0.0/16"):
        self._network = ipaddress.ip_network(network)
        self.gateway = str(self._network[1])
        self.netns = Netns("net")
        self.netns.batch(
            "link add br0 type bridge",
            f"addr add {self.gateway}/{self._network.prefixlen} dev br0",
            "link set br0 up")
        self._addresses = itertools.count(int(self._network[10]))
        self._ports = itertools.count(1)

    def close(self):
        self.netns.delete()

    def new_address(self):
        return str(ipaddress.ip_address(next(self._addresses)))

    def port(self, netns, device="eth0"):
        """The bridge's end of a device that was plugged in."""
        link = netns.json(f"ip link show dev {device}")[0]
        return [port["ifname"] for port in self.netns.json("ip link show")
                if port["ifindex"] == link["link_index"]][0]

    def plug(self, netns, device="eth0", address=None, default_route=True):
        """A device on the bridge, inside netns; returns its address."""
        address = address or self.new_address()
        port = f"port{next(self._ports)}"
        netns.batch(
            f"link add {device} type veth peer name {port} netns {self.netns.name}",
            f"addr add {address}/{self._network.prefixlen} dev {device}",
            f"link set {device} up")
        self.netns.batch(f"link set {port} up master br0")
        if default_route:
            netns.batch(f"route add default via {self.gateway}")
        return address
