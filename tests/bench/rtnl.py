# tests/bench/rtnl.py - what the kernel holds, and what it says when that changes.
"""The observer must not disturb what it observes: while many rows arrive it lets the notifications
queue up in a large socket buffer and counts them now and then; the full comparison comes after."""

import ctypes
import select
import socket
import struct
import time

NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
RTM_NEWROUTE, RTM_GETROUTE, RTM_NEWNEIGH, RTM_GETNEIGH = 24, 26, 28, 30
RTMGRP_NEIGH, RTMGRP_IPV4_ROUTE = 0x4, 0x40
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_NH_ID = 1, 4, 5, 30
NDA_DST, NDA_LLADDR = 1, 2
AF_BRIDGE = 7
NUD_PERMANENT = 0x80
SO_ATTACH_FILTER, SO_RCVBUFFORCE = 26, 33
RTPROT_KERNEL = 2

_HDR = struct.Struct("=IHHII")
_ATTR = struct.Struct("=HH")


def _messages(data):
    """(type, begin of the payload, end) of each message in a datagram."""
    pos = 0
    while pos + 16 <= len(data):
        length, kind = struct.unpack_from("=IH", data, pos)
        if length < 16 or pos + length > len(data):
            raise ValueError("malformed netlink message")
        yield kind, pos + 16, pos + length
        pos += (length + 3) & ~3


def _attrs(data, pos, end):
    found = {}
    while pos + 4 <= end:
        length, kind = _ATTR.unpack_from(data, pos)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[pos + 4:pos + length]
        pos += (length + 3) & ~3
    return found


def _neigh(data, pos, end):
    """(family, ifindex, state, destination, mac)"""
    family, ifindex, state = struct.unpack_from("=B3xiH", data, pos)
    attrs = _attrs(data, pos + 12, end)
    return family, ifindex, state, attrs.get(NDA_DST), attrs.get(NDA_LLADDR)


def _dump(ns, kind, body):
    with ns.inside():
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    with sock:
        sock.send(_HDR.pack(16 + len(body), kind, NLM_F_REQUEST | NLM_F_DUMP, 1, 0) + body)
        while True:
            data = sock.recv(1 << 18)
            for answer, begin, end in _messages(data):
                if answer == NLMSG_DONE:
                    return
                if answer == NLMSG_ERROR:
                    raise OSError(-struct.unpack_from("=i", data, begin)[0], "netlink dump")
                yield data, begin, end


def ifindex(ns, name):
    """The index of a device, 0 if there is none."""
    with ns.inside():
        try:
            return socket.if_nametoindex(name)
        except OSError:
            return 0


def neighbours(ns, dev):
    """{address: mac} of the permanent neighbours of a device."""
    rows = {}
    body = struct.pack("=B3xiHBB", socket.AF_INET, 0, 0, 0, 0)
    for data, begin, end in _dump(ns, RTM_GETNEIGH, body):
        _family, index, state, dst, mac = _neigh(data, begin, end)
        if index == dev and state & NUD_PERMANENT:
            rows[dst] = mac
    return rows


def fdb(ns, dev):
    """{mac: remote address} of a device's forwarding database."""
    rows = {}
    body = struct.pack("=B3xiHBB", AF_BRIDGE, 0, 0, 0, 0)
    for data, begin, end in _dump(ns, RTM_GETNEIGH, body):
        _family, index, _state, dst, mac = _neigh(data, begin, end)
        if index == dev and dst:
            rows[mac] = dst
    return rows


def routes(ns, dev):
    """{(destination, prefix length): gateway} of the routes over a device, the kernel's left out.

    A route through a nexthop object whose gateway the kernel does not repeat has gateway None.
    """
    rows = {}
    body = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0)
    for data, begin, end in _dump(ns, RTM_GETROUTE, body):
        length, protocol = data[begin + 1], data[begin + 5]
        if protocol == RTPROT_KERNEL:
            continue
        attrs = _attrs(data, begin + 12, end)
        oif = attrs.get(RTA_OIF)
        if RTA_DST in attrs and (RTA_NH_ID in attrs if oif is None
                                 else struct.unpack("=I", oif)[0] == dev):
            rows[(attrs[RTA_DST], length)] = attrs.get(RTA_GATEWAY)
    return rows


class Watch:
    """Notifications of one namespace."""

    def __init__(self, ns, groups):
        with ns.inside():
            self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 512 << 20)
        self._sock.setblocking(False)
        self._sock.bind((0, groups))
        self._poll = select.poll()
        self._poll.register(self._sock, select.POLLIN)

    def only_neighbours(self):
        """From now on nothing but new or changed neighbours: the rest is dropped in the kernel."""
        load_half, load_byte, equal, give = 0x28, 0x30, 0x15, 0x06  # linux/filter.h
        code = b"".join(struct.pack("=HBBI", *instruction) for instruction in (
            (load_half, 0, 0, 4), (equal, 0, 3, socket.htons(RTM_NEWNEIGH)),
            (load_byte, 0, 0, 16), (equal, 0, 1, socket.AF_INET),
            (give, 0, 0, 0xFFFFFFFF), (give, 0, 0, 0)))
        buffer = ctypes.create_string_buffer(code)
        self._sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER,
                              struct.pack("@HP", len(code) // 8, ctypes.addressof(buffer)))
        self.drain()

    def count(self):
        """Announcements since the last call."""
        count = 0
        while self._receive():
            count += 1
        return count

    def _receive(self):
        try:
            return self._sock.recv(1 << 16)
        except BlockingIOError:
            return b""

    def drain(self):
        while self._receive():
            pass

    def count_routes(self, prefix_len):
        """New routes of that prefix length since the last call. Looks at two bytes of each."""
        count = 0
        while data := self._receive():
            for kind, begin, _end in _messages(data):
                if kind == RTM_NEWROUTE and data[begin + 1] == prefix_len \
                        and data[begin + 5] != RTPROT_KERNEL:
                    count += 1
        return count

    def wait(self, wanted, timeout_s):
        """The time at which the last of the wanted rows was announced; None: not in time.

        wanted: a set of ("route", address), ("neigh", address, mac), ("fdb", mac, address).
        """
        wanted = set(wanted)
        deadline = time.monotonic() + timeout_s
        while wanted:
            left = deadline - time.monotonic()
            if left <= 0 or not self._poll.poll(left * 1000):
                return None
            data = self._receive()
            now = time.monotonic()
            for kind, begin, end in _messages(data):
                wanted.discard(_announced(kind, data, begin, end))
        return now

    def close(self):
        self._sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def _announced(kind, data, begin, end):
    if kind == RTM_NEWROUTE:
        return ("route", _attrs(data, begin + 12, end).get(RTA_DST))
    if kind == RTM_NEWNEIGH:
        family, _index, _state, dst, mac = _neigh(data, begin, end)
        return ("fdb", mac, dst) if family == AF_BRIDGE else ("neigh", dst, mac)
    return None
