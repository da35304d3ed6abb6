"""IPv4 packets by hand, and those that come by on a device."""

import socket
import struct

ETH_P_ALL = 0x0003
SO_RCVBUFFORCE = 33


def checksum(data):
    """RFC 1071."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def udp(source, destination, payload, ports=(5000, 5001)):
    """A UDP header and payload; the checksum is right."""
    length = 8 + len(payload)
    head = struct.pack("!HHHH", *ports, length, 0)
    pseudo = socket.inet_aton(source) + socket.inet_aton(destination) + struct.pack(
        "!HH", socket.IPPROTO_UDP, length)
    total = checksum(pseudo + head + payload) or 0xFFFF
    return head[:6] + struct.pack("!H", total) + payload


def ipv4(source, destination, payload=b"", protocol=socket.IPPROTO_UDP, **fields):
    """Fields: ttl, total (length), version, words (of the header), sum, frag, options, id."""
    options = fields.get("options", b"")
    words = fields.get("words", 5 + len(options) // 4)
    total = fields.get("total", 20 + len(options) + len(payload))
    head = struct.pack(
        "!BBHHHBBH4s4s", fields.get("version", 4) << 4 | words, 0, total,
        fields.get("id", 1), fields.get("frag", 0), fields.get("ttl", 64), protocol, 0,
        socket.inet_aton(source), socket.inet_aton(destination)) + options
    found = fields.get("sum", checksum(head))
    return head[:10] + struct.pack("!H", found) + head[12:] + payload


class Capture:
    """What passes a device from now on; of a tun device: IP packets."""

    def __init__(self, netns, device):
        with netns.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM,
                                         socket.htons(ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self._socket.bind((device, ETH_P_ALL))
        self._socket.setblocking(False)

    def taken(self, outgoing=False):
        """The packets that have come in, or gone out, since the last call."""
        packets = []
        while True:
            try:
                packet, address = self._socket.recvfrom(65536)
            except BlockingIOError:
                return packets
            if (address[2] == socket.PACKET_OUTGOING) is outgoing:
                packets.append(packet)

    def close(self):
        self._socket.close()
