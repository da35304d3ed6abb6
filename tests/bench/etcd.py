# tests/bench/etcd.py - an etcd of our own, and many leases in it quickly.
import contextlib
import http.client
import itertools
import json
import os
import selectors
import shutil
import socket
import struct
import subprocess
import time

import netns
import wire

PREFIX = "/coreos.com/network"
CONFIG = {"Network": "10.0.0.0/8", "SubnetLen": 24, "Backend": {"Type": "vxlan"}}
GATEWAY_PREFIX = "/bench/host-gw"
GATEWAY_CONFIG = {"Network": "10.0.0.0/8", "SubnetLen": 24, "Backend": {"Type": "host-gw"}}
PORT = 2379
API = wire.V2  # or V3
MAX_LEASES = 60000  # of 65,535 subnets: the daemon's own must find room


class Lease:
    """The i-th synthetic lease of another host. A generation gives it another MAC."""

    def __init__(self, i, generation=0):
        self._base = (10 << 24) + ((i + 1) << 8)  # SubnetMin is the second subnet
        self.subnet = struct.pack("!I", self._base)
        self.remote = struct.pack("!I", (172 << 24) + (16 << 16) + i + 1)
        self.mac = struct.pack("!BBI", 2, 0xBA + generation % 16, i + 1)

    @property
    def subnet_text(self):
        return socket.inet_ntoa(self.subnet)

    @property
    def remote_text(self):
        return socket.inet_ntoa(self.remote)

    @property
    def mac_text(self):
        return ":".join(f"{b:02x}" for b in self.mac)

    prefix = PREFIX

    def value(self):
        return {"PublicIP": self.remote_text, "BackendType": "vxlan",
                "BackendData": {"VNI": 1, "VtepMAC": self.mac_text}}

    def request(self):
        """The PUT that writes it, as bytes on the wire."""
        return API.put(f"{self.prefix}/subnets/{self.subnet_text}-24",
                       json.dumps(self.value(), separators=(",", ":")))


class GatewayLease(Lease):
    """The same of type host-gw, in a network of its own."""

    prefix = GATEWAY_PREFIX

    def value(self):
        return {"PublicIP": self.remote_text, "BackendType": "host-gw"}


class Etcd:
    """One member in a namespace of its own; its data are gone when it is closed."""

    def __init__(self, folder):
        self.ns = netns.Netns()
        self.loaded = {}
        self._data = os.path.join(folder, "etcd")
        self._log = os.path.join(folder, "etcd.log")
        self._proc = None
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self):
        argv = ["etcd", "--name=bench", f"--data-dir={self._data}", "--enable-v2=true",
                f"--listen-client-urls=http://0.0.0.0:{PORT}",
                f"--advertise-client-urls=http://{netns.Host.GATEWAY}:{PORT}",
                "--listen-peer-urls=http://127.0.0.1:2380",
                "--initial-advertise-peer-urls=http://127.0.0.1:2380",
                "--initial-cluster=bench=http://127.0.0.1:2380", "--snapshot-count=10000000"]
        if _knows_no_fsync():
            argv.append("--unsafe-no-fsync")
        env = {k: v for k, v in os.environ.items() if not k.startswith("ETCD_")}
        with open(self._log, "wb") as log:
            self._proc = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=log,
                                          stderr=log, preexec_fn=self._enter)
        self._wait_until_healthy()
        self.prepare()

    def prepare(self):
        """Have what each API needs before there are leases."""
        for request in API.prepare():
            self.send(request)
        self.configure(PREFIX, CONFIG)
        self.configure(GATEWAY_PREFIX, GATEWAY_CONFIG)

    def _enter(self):
        self.ns.enter()
        netns.die_with_parent()

    def _wait_until_healthy(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self._proc.poll() is not None:
                break
            try:
                conn = self.connect()
            except OSError:
                time.sleep(0.05)
                continue
            with conn:
                conn.sendall(b"GET /health HTTP/1.0\r\n\r\n")
                if b'"true"' in conn.recv(4096):
                    return
            time.sleep(0.05)
        with open(self._log, encoding="utf-8", errors="replace") as log:
            raise netns.CommandError("etcd does not come up:\n" + log.read()[-2000:])

    def connect(self):
        """A connection to it, made inside its namespace."""
        with self.ns.inside():
            conn = socket.create_connection(("127.0.0.1", PORT), timeout=30)
        conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return conn

    def configure(self, prefix, config):
        self.send(API.put(f"{prefix}/config", json.dumps(config), leased=False))

    def send(self, request, accepted=(200, 201)):
        with self.connect() as conn:
            conn.sendall(request)
            answer = http.client.HTTPResponse(conn)
            answer.begin()
            text = answer.read()
        if answer.status not in accepted:
            raise netns.CommandError(
                f"etcd: {request[:100]!r}: {answer.status} {text[:200]!r}")
        return text

    def load(self, n, kind=Lease):
        """Have the leases 0 .. n-1 of a kind, and no others. @return seconds"""
        begin = time.monotonic()
        loaded = self.loaded.get((API, kind), 0)
        _put_all(self, (kind(i).request() for i in range(loaded, n)))
        self.loaded[API, kind] = max(loaded, n)
        return time.monotonic() - begin

    def change(self, n, kind):
        """Write the leases 0 .. n-1 anew, as fast as etcd takes them. @return seconds"""
        begin = time.monotonic()
        _put_all(self, (kind(i).request() for i in range(n)))
        return time.monotonic() - begin

    def delete(self, subnet_text, prefix=PREFIX):
        self.send(API.delete(f"{prefix}/subnets/{subnet_text}-24"), (200, 404))

    def answer_time(self):
        """How long etcd alone takes to say all leases, and how many bytes that is."""
        with self.connect() as conn:
            begin = time.monotonic()
            conn.sendall(API.list(f"{PREFIX}/subnets"))
            answer = http.client.HTTPResponse(conn)
            answer.begin()
            size = len(answer.read())
            return time.monotonic() - begin, size

    def watch(self):
        """A connection on which the next event will be said; its answer's head is read already."""
        conn = self.connect()
        conn.sendall(API.watch(f"{PREFIX}/subnets"))
        head = b""
        while API.WATCHES not in head:
            head += conn.recv(65536)
        return conn

    def close(self):
        if self._proc and self._proc.poll() is None:
            self._proc.kill()
            self._proc.wait()
        self.ns.close()
        shutil.rmtree(self._data, ignore_errors=True)


def _knows_no_fsync():
    return subprocess.run(["etcd", "--unsafe-no-fsync", "--version"], check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


class _Pipe:
    """A connection with several requests under way: etcd answers them in order."""

    WINDOW = 32

    def __init__(self, conn, requests):
        self.conn = conn
        self.under_way = 0
        self._requests = requests
        self._rest = b""
        self._refill()

    def _refill(self):
        batch = list(itertools.islice(self._requests, self.WINDOW - self.under_way))
        self.under_way += len(batch)
        self.conn.sendall(b"".join(batch))

    def on_readable(self):
        data = self.conn.recv(1 << 18)
        if not data:
            raise netns.CommandError("etcd closed the connection while leases were loaded")
        data = self._rest + data
        done = 0
        while (at := data.find(b"HTTP/1.1 ", done)) >= 0 and at + 12 <= len(data):
            done = at + 12
            if data[at + 9:done] not in (b"200", b"201"):
                raise netns.CommandError(f"etcd refuses a lease: {data[at:at + 300]!r}")
            self.under_way -= 1
        # Keep what may be the beginning of a status line.
        self._rest = data[at:] if at >= 0 else data[max(done, len(data) - 8):]
        if self.under_way <= self.WINDOW // 2:
            self._refill()


def _put_all(etcd, requests, connections=16):
    with selectors.DefaultSelector() as sel, contextlib.ExitStack() as stack:
        for _ in range(connections):
            pipe = _Pipe(stack.enter_context(etcd.connect()), requests)
            if pipe.under_way:
                sel.register(pipe.conn, selectors.EVENT_READ, pipe)
        while sel.get_map():
            ready = sel.select(30)
            if not ready:
                raise netns.CommandError("etcd has not answered for 30 s while loading leases")
            for key, _events in ready:
                key.data.on_readable()
                if not key.data.under_way:
                    sel.unregister(key.fileobj)
