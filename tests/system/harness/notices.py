"""What the kernel announces of a namespace's tables, counted from its own messages."""

import collections
import errno
import select
import socket
import struct
import time

from .wait import TIMEOUT

_GROUPS = (1, 3, 5, 7, 9, 11, 32)  # link, neighbours and FDB, IPv4, IPv6: address, route; nexthop
_NAMES = {16: "NEWLINK", 17: "DELLINK", 20: "NEWADDR", 21: "DELADDR", 24: "NEWROUTE",
          25: "DELROUTE", 28: "NEWNEIGH", 29: "DELNEIGH", 104: "NEWNEXTHOP", 105: "DELNEXTHOP"}
_PERMANENT = 0x80
_BUFFER = 64 << 20
_SOL_NETLINK, _ADD_MEMBERSHIP, _SO_RCVBUFFORCE = 270, 1, 33


class Notices:
    """All since it was made; what the kernel learns by itself (ARP) is left out."""

    def __init__(self, netns):
        with netns.entered():
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        self._socket.bind((0, 0))
        for group in _GROUPS:
            self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
        self._socket.setblocking(False)

    def wait(self, name, count, timeout=TIMEOUT):
        """Until so many of that name have been announced; how many seconds it took."""
        begin, seen = time.monotonic(), 0
        while seen < count:
            assert time.monotonic() - begin < timeout, f"{seen} of {count} {name} in {timeout} s"
            select.select([self._socket], [], [], 0.1)
            seen += self.take().get(name, 0)
        return time.monotonic() - begin

    def take(self):
        """{name: how many} since the last time."""
        counted = collections.Counter()
        while True:
            try:
                data = self._socket.recv(1 << 20)
            except BlockingIOError:
                return dict(counted)
            except OSError as error:
                assert error.errno != errno.ENOBUFS, "more was announced than fits"
                raise
            counted += collections.Counter(self._names(data))

    @staticmethod
    def _names(data):
        while data:
            length, kind = struct.unpack_from("=IH", data)
            name = _NAMES.get(kind, str(kind))
            state, = struct.unpack_from("=H", data, 24) if name.endswith("NEIGH") else (_PERMANENT,)
            if state & _PERMANENT:
                yield name
            data = data[length + -length % 4:]

    def close(self):
        self._socket.close()
