"""What flannel 0.11, which is written in Go, leaves in the kernel: the same rtnetlink messages, with
the same attributes in the same order, as its netlink library encodes them."""

import os
import socket
import struct

ACK, EXCL, REPLACE, CREATE = 4, 0x200, 0x100, 0x400
NEWLINK, NEWADDR, NEWROUTE, NEWNEIGH = 16, 20, 24, 28
UNSPEC, BRIDGE = 0, 7
PERMANENT, SELF = 0x80, 2
BOOT, UNIVERSE, UNICAST, MAIN, ONLINK = 3, 0, 1, 254, 4


def _attr(kind, data):
    head = struct.pack("=HH", 4 + len(data), kind)
    return head + data + b"\0" * (-len(data) % 4)


def _u32(kind, value):
    return _attr(kind, struct.pack("=I", value))


def _v4(kind, address):
    return _attr(kind, socket.inet_aton(address))


class GoFlannel:
    """Its requests, inside of a host's namespace."""

    def __init__(self, host):
        self._host = host
        self._netns = host.netns

    def _send(self, kind, flags, body):
        message = struct.pack("=IHHII", 16 + len(body), kind, 1 | ACK | flags, 1, 0) + body
        with self._netns.entered():
            link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        with link:
            link.send(message)
            error, = struct.unpack_from("=i", link.recv(65536), 16)
        assert error == 0, f"message {kind}: {os.strerror(-error)}"

    def index(self, device):
        with self._netns.entered():
            return socket.if_nametoindex(device)

    def vxlan(self, name, vni, port=8472):
        """The device, its address and its state: newVXLANDevice() and Configure()."""
        flags = b"".join(_attr(kind, b"\0") for kind in (5, 6, 7, 11, 12, 13, 14))
        data = (_u32(1, vni) + _u32(3, self.index("eth0")) + _v4(4, self._host.address) + flags +
                _attr(15, struct.pack("!H", port)))
        info = _attr(1, b"vxlan") + _attr(2, data)
        self._send(NEWLINK, CREATE | EXCL, struct.pack("=BxHiII", UNSPEC, 0, 0, 0, 0) +
                   _attr(3, name.encode() + b"\0") + _u32(13, 0) + _attr(18, info))

    def configure(self, name, address):
        self._send(NEWADDR, CREATE | EXCL,
                   struct.pack("=BBBBI", socket.AF_INET, 32, 0, UNIVERSE, self.index(name)) +
                   _v4(2, address) + _v4(1, address))
        self._send(NEWLINK, 0, struct.pack("=BxHiII", UNSPEC, 0, self.index(name), 1, 1))

    def _neigh(self, family, flags, kind, name, address, mac):
        head = struct.pack("=BxxxiHBB", family, self.index(name), PERMANENT, flags, kind)
        self._send(NEWNEIGH, CREATE | REPLACE,
                   head + _v4(1, address) + _attr(2, bytes.fromhex(mac.replace(":", ""))))

    def _route(self, flags, subnet, gateway, device=None, onlink=False):
        address, _, length = subnet.partition("/")
        self._send(NEWROUTE, CREATE | flags, struct.pack(
            "=BBBBBBBBI", socket.AF_INET, int(length), 0, 0, MAIN, BOOT, UNIVERSE, UNICAST,
            ONLINK if onlink else 0) + _v4(1, address) + _v4(5, gateway) +
            (_u32(4, self.index(device)) if device else b""))

    def vxlan_peer(self, name, peer):
        """AddARP(), AddFDB(), and the route."""
        gateway = peer.subnet.partition("/")[0]
        self._neigh(socket.AF_INET, 0, UNICAST, name, gateway, peer.mac)
        self._neigh(BRIDGE, SELF, 0, name, peer.address, peer.mac)
        self._route(REPLACE, peer.subnet, gateway, name, onlink=True)

    def direct_peer(self, peer):
        """DirectRouting: the kernel chooses the device."""
        self._route(REPLACE, peer.subnet, peer.address)

    def gateway_peer(self, peer, device="eth0"):
        self._route(EXCL, peer.subnet, peer.address, device)
