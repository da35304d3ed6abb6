"""A real etcd in a namespace, and what the tests say to it over either API."""

import base64
import http.client
import json
import shutil
import signal
import ssl
import tempfile
import threading
import urllib.parse

from .netns import Netns
from .processes import Process
from .wait import TIMEOUT, wait_until


class _Connection(http.client.HTTPConnection):
    """Opened inside a namespace, used from anywhere."""

    def __init__(self, netns, host, timeout, context):
        super().__init__(host, 2379, timeout=timeout)
        self._netns = netns
        self._context = context

    def connect(self):
        with self._netns.entered():
            super().connect()
        if self._context:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host)


class Etcd:
    """One member. Each start after the first finds the data of the one before."""

    def __init__(self, underlay, tls=None, start=True, flags=()):
        self.netns = Netns("etcd")
        self.address = underlay.plug(self.netns)
        self.folder = tempfile.mkdtemp(prefix="flanneld-etcd-")
        self.tls = tls
        self.credentials = None
        self.process = None
        self.flags = list(flags)
        if tls:
            tls.issue(self.address)
        if start:
            self.start()

    # --- life

    def spawn(self):
        """Start it, and do not wait."""
        self.process = Process(self.netns, self._argv(), f"{self.folder}/log")

    def start(self):
        self.spawn()
        self.wait_healthy()

    def wait_healthy(self):
        wait_until(self._healthy, "etcd is healthy", timeout=20)

    def wipe(self):
        """Its data is lost; what starts next is another cluster."""
        shutil.rmtree(f"{self.folder}/data")
        self.flags += ["--initial-cluster-token", "another"]

    def stop(self):
        self.process.stop(signal.SIGKILL)

    def restart(self):
        self.stop()
        self.start()

    def pause(self):
        self.process.send(signal.SIGSTOP)

    def resume(self):
        self.process.send(signal.SIGCONT)

    def close(self):
        if self.process:
            self.process.close()
        self.netns.delete()
        shutil.rmtree(self.folder)

    @property
    def endpoint(self):
        return f"{'https' if self.tls else 'http'}://{self.address}:2379"

    def _argv(self):
        argv = ["etcd", "--enable-v2=true", "--data-dir", f"{self.folder}/data",
                "--unsafe-no-fsync", "--listen-client-urls", self.endpoint,
                "--advertise-client-urls", self.endpoint,
                "--listen-peer-urls", "http://127.0.0.1:2380", *self.flags]
        if self.tls:
            argv += ["--client-cert-auth", "--trusted-ca-file", self.tls.ca,
                     "--cert-file", self.tls.server_cert, "--key-file", self.tls.server_key]
        return argv

    def _healthy(self):
        assert self.process.running(), f"etcd ended:\n{self.process.log()}"
        try:
            return self.request("GET", "/health")[1].get("health") == "true"
        except OSError:
            return False

    def over(self, api):
        """The same etcd, spoken to over that API."""
        return Etcd3(self) if api == 3 else self

    # --- HTTP

    def _context(self):
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=self.tls.ca)
        context.load_cert_chain(self.tls.client_cert, self.tls.client_key)
        return context

    def _headers(self):
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if self.credentials:
            token = base64.b64encode(":".join(self.credentials).encode()).decode()
            headers["Authorization"] = f"Basic {token}"
        return headers

    def connect(self, timeout=TIMEOUT):
        return _Connection(self.netns, self.address, timeout, self._context())

    def request(self, method, path, body=None, connection=None):
        """Status, the answer as JSON ({} if it has none), headers."""
        own = connection or self.connect()
        own.request(method, path, body, self._headers())
        answer = own.getresponse()
        text = answer.read()
        if not connection:
            own.close()
        try:
            return answer.status, json.loads(text or b"{}"), answer.headers
        except ValueError:
            return answer.status, {}, answer.headers

    # --- keys

    def get(self, key):
        """The node, or None."""
        status, answer, _ = self.request("GET", "/v2/keys" + urllib.parse.quote(key))
        return answer["node"] if status == 200 else None

    def put(self, key, value, connection=None, **options):
        """Set a value; options are the API's: ttl=60, prevExist="true" ..."""
        body = urllib.parse.urlencode({"value": value, **options})
        status, answer, _ = self.request(
            "PUT", "/v2/keys" + urllib.parse.quote(key), body, connection)
        assert status in (200, 201), f"PUT {key}: {status} {answer}"
        return answer["node"]

    def delete(self, key):
        status, answer, _ = self.request("DELETE", "/v2/keys" + urllib.parse.quote(key))
        assert status == 200, f"DELETE {key}: {status} {answer}"

    def list(self, folder):
        """The nodes right below a folder."""
        node = self.get(folder)
        return (node or {}).get("nodes", [])

    def churn(self, key, count):
        """So many writes to one key, over one connection: history moves on."""
        connection = self.connect()
        for number in range(count):
            self.put(key, str(number), connection)
        connection.close()

    def watcher(self, folder):
        return Watcher(self, folder)

    # --- users

    def require_user(self, name, password):
        """Basic auth: root with a password, and nothing for guests."""
        for path, body in (
                (f"users/{name}", {"user": name, "password": password}),
                ("enable", None)):
            status, answer, _ = self.request(
                "PUT", f"/v2/auth/{path}", json.dumps(body) if body else None)
            assert status in (200, 201), f"{path}: {status} {answer}"
        self.credentials = (name, password)
        everything = {"kv": {"read": ["/*"], "write": ["/*"]}}
        status, answer, _ = self.request(
            "PUT", "/v2/auth/roles/guest",
            json.dumps({"role": "guest", "revoke": everything}))
        assert status == 200, f"guest: {status} {answer}"


class Cluster:
    """Three members that know each other over the underlay."""

    def __init__(self, underlay):
        self.members = [Etcd(underlay, start=False) for _ in range(3)]
        everybody = ",".join(f"{m.address}=http://{m.address}:2380" for m in self.members)
        for member in self.members:
            peer = f"http://{member.address}:2380"
            member.flags = ["--name", member.address, "--initial-cluster", everybody,
                            "--initial-advertise-peer-urls", peer, "--listen-peer-urls", peer]
            member.spawn()
        for member in self.members:
            member.wait_healthy()

    @property
    def endpoints(self):
        return ",".join(member.endpoint for member in self.members)

    def separate(self, member):
        """From the other members, not from clients."""
        member.netns.cut_off([m.address for m in self.members if m is not member])

    def close(self):
        for member in self.members:
            member.close()


class Watcher:
    """Counts the events below a folder, as another host would see them."""

    def __init__(self, etcd, folder):
        self.events = []
        self._etcd = etcd
        self._path = f"/v2/keys{folder}?recursive=true&wait=true"
        _, _, headers = etcd.request("GET", "/v2/keys" + folder)
        self._next = int(headers["X-Etcd-Index"]) + 1
        self._connection = etcd.connect(timeout=None)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self):
        try:
            while True:
                _, event, _ = self._etcd.request(
                    "GET", f"{self._path}&waitIndex={self._next}",
                    connection=self._connection)
                self.events.append(event)
                self._next = event["node"]["modifiedIndex"] + 1
        except (OSError, KeyError, AttributeError, ValueError, http.client.HTTPException):
            return

    def close(self):
        if self._connection.sock:
            self._connection.sock.shutdown(2)
        self._thread.join(5)
        self._connection.close()


def _encoded(text):
    return base64.b64encode(text.encode()).decode()


def _decoded(text):
    return base64.b64decode(text).decode(errors="replace")


def _behind(key):
    """The end of the range of all keys that begin so."""
    return key[:-1] + chr(ord(key[-1]) + 1)


class Etcd3:
    """An Etcd over its v3 API, with nodes as v2 has them: key, value, modifiedIndex, createdIndex,
    ttl if there is one, and lease."""

    def __init__(self, etcd):
        self._etcd = etcd
        self.token = None

    def __getattr__(self, name):
        return getattr(self._etcd, name)

    def over(self, api):
        return self if api == 3 else self._etcd

    def call(self, path, message, connection=None):
        """Status and answer."""
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = self.token
        own = connection or self._etcd.connect()
        own.request("POST", f"/v3/{path}", json.dumps(message), headers)
        answer = own.getresponse()
        text = answer.read()
        if not connection:
            own.close()
        return answer.status, json.loads(text or b"{}")

    def ask(self, path, message, connection=None):
        status, answer = self.call(path, message, connection)
        assert status == 200, f"{path} {message}: {status} {answer}"
        return answer

    def _node(self, kv):
        node = {"key": _decoded(kv["key"]), "value": _decoded(kv.get("value", "")),
                "modifiedIndex": int(kv["mod_revision"]),
                "createdIndex": int(kv["create_revision"]), "lease": kv.get("lease")}
        if node["lease"]:
            left = self.ask("lease/timetolive", {"ID": node["lease"]})
            node["ttl"] = int(left.get("TTL", "0"))
        return node

    def get(self, key):
        kvs = self.ask("kv/range", {"key": _encoded(key)}).get("kvs")
        return self._node(kvs[0]) if kvs else None

    def put(self, key, value, connection=None, ttl=None, lease=None):
        message = {"key": _encoded(key), "value": _encoded(value)}
        if lease:
            message["lease"] = lease
        if ttl:
            message["lease"] = self.ask("lease/grant", {"TTL": str(ttl)})["ID"]
        self.ask("kv/put", message, connection)

    def delete(self, key):
        answer = self.ask("kv/deleterange", {"key": _encoded(key)})
        assert answer.get("deleted") == "1", f"{key}: {answer}"

    def list(self, folder):
        key = f"{folder}/"
        answer = self.ask("kv/range", {"key": _encoded(key), "range_end": _encoded(_behind(key))})
        return [self._node(kv) for kv in answer.get("kvs", [])]

    def churn(self, key, count):
        """So many writes to one key; then history is compacted, as far as it goes."""
        connection = self._etcd.connect()
        for number in range(count):
            self.put(key, str(number), connection)
        connection.close()

    def compact(self):
        """Forget all history."""
        revision = self.ask("kv/range", {"key": _encoded("/")})["header"]["revision"]
        self.ask("kv/compaction", {"revision": revision})

    def leases(self):
        """The ids of all etcd leases."""
        return [lease["ID"] for lease in self.ask("lease/leases", {}).get("leases", [])]

    def watcher(self, folder):
        return Watcher3(self, folder)

    def lock(self, name, password):
        """From now on a user is needed."""
        for path, message in (
                ("auth/role/add", {"name": "root"}),
                ("auth/user/add", {"name": name, "password": password}),
                ("auth/user/grant", {"user": name, "role": "root"}),
                ("auth/enable", {})):
            self.ask(path, message)

    def require_user(self, name, password):
        self.lock(name, password)
        self.log_in(name, password)

    def log_in(self, name, password):
        self.token = None  # an old one would be refused
        self.token = self.ask("auth/authenticate", {"name": name, "password": password})["token"]


class Watcher3:
    """Collects the events below a folder, each as {"node": {"key": ...}, "action": ...}."""

    def __init__(self, etcd, folder):
        self.events = []
        key = f"{folder}/"
        self._connection = etcd.connect(timeout=None)
        self._connection.request("POST", "/v3/watch", json.dumps({"create_request": {
            "key": _encoded(key), "range_end": _encoded(_behind(key))}}))
        self._answer = self._connection.getresponse()
        assert json.loads(self._answer.readline())["result"]["created"]
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self):
        try:
            while line := self._answer.readline():
                for event in json.loads(line)["result"].get("events", []):
                    self.events.append({"action": event.get("type", "PUT"),
                                        "node": {"key": _decoded(event["kv"]["key"])}})
        except (OSError, KeyError, AttributeError, ValueError, http.client.HTTPException):
            return

    def close(self):
        if self._connection.sock:
            self._connection.sock.shutdown(2)
        self._thread.join(5)
        self._connection.close()
