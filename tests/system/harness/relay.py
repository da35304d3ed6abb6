"""What stands between hosts and etcd: passes HTTP/1 on, and does with HTTP/2 what it is told."""

import contextlib
import socket
import threading

PREFACE = b"PRI * HTTP/2.0"


class Relay:
    """In etcd's namespace, at a port of its own. @p http2 is called with a connection that begins
    as HTTP/2, with what came first, and with one to etcd."""

    def __init__(self, etcd, http2):
        self.etcd = etcd
        self.http2 = http2
        self.asked = 0  # times, over HTTP/2
        self.passed = 0  # connections of HTTP/1
        with etcd.netns.entered():
            self._listener = socket.create_server((etcd.address, 0))
        self.endpoint = f"http://{etcd.address}:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self):
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with contextlib.suppress(OSError), client, self.etcd.netns.entered(), \
                socket.create_connection((self.etcd.address, 2379)) as server:
            first = client.recv(65536)
            if first.startswith(PREFACE):
                self.asked += 1
                self.http2(client, first, server)
                return
            self.passed += 1
            server.sendall(first)
            threading.Thread(target=pump, args=(client, server), daemon=True).start()
            pump(server, client)


def pump(source, target, limit=None):
    """Until it ends, or so many bytes are through."""
    with contextlib.suppress(OSError):
        while limit is None or limit > 0:
            piece = source.recv(65536 if limit is None else min(limit, 65536))
            if not piece:
                break
            target.sendall(piece)
            limit = limit if limit is None else limit - len(piece)
    for end in source, target:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
