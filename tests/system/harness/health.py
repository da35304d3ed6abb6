"""What a flanneld tells over HTTP, by TCP or by its control socket."""

import contextlib
import http.client
import json
import os
import socket

PORT = 8471


class Client(http.client.HTTPConnection):
    """A connection made inside a namespace."""

    def __init__(self, netns, address="127.0.0.1", port=PORT, timeout=5.0):
        super().__init__(address, port, timeout=timeout)
        self._netns = netns

    def connect(self):
        with self._netns.entered():
            super().connect()

    def ask(self, path, method="GET"):
        """Status and text."""
        self.request(method, path)
        answer = self.getresponse()
        return answer.status, answer.read().decode()


def get(host, path, address="127.0.0.1", method="GET"):
    """Status and text of one request of its own."""
    client = Client(host.netns, address)
    with contextlib.closing(client):
        return client.ask(path, method)


def readiness(host):
    """(status, {reason: text}) of /readyz."""
    status, text = get(host, "/readyz")
    answer = json.loads(text)
    assert answer["ready"] == (status == 200) == (not answer["reasons"])
    return status, {r["reason"]: r["text"] for r in answer["reasons"]}


def metrics(host):
    """{'flanneld_peers{state="reached"}': 3.0}"""
    status, text = get(host, "/metrics")
    assert status == 200
    return {name: float(value) for name, _, value in (
        line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))}


def raw(host, address="127.0.0.1", port=PORT):
    """A bare connection."""
    with host.netns.entered():
        made = socket.create_connection((address, port), timeout=5)
    return made


def context_switches(pid):
    """How often its threads have slept and woken so far."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as file:
            total += sum(int(line.split()[1]) for line in file
                         if line.startswith("voluntary_ctxt_switches"))
    return total


class ControlClient(http.client.HTTPConnection):
    """A connection to a control socket."""

    def __init__(self, path, timeout=10.0):
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def control_path(host):
    """Where a host's socket is unless told otherwise."""
    return os.path.join(os.path.dirname(host.subnet_file), "flanneld.sock")


def control(host, path):
    """Status and text of one request by the control socket."""
    client = ControlClient(control_path(host))
    with contextlib.closing(client):
        client.request("GET", path)
        answer = client.getresponse()
        return answer.status, answer.read().decode()


class Events:
    """What /v1/events tells, as it comes."""

    def __init__(self, host):
        self._client = ControlClient(control_path(host))
        self._client.request("GET", "/v1/events")
        self._answer = self._client.getresponse()
        assert self._answer.status == 200
        self.hello = self.next()
        assert self.hello["event"] == "hello"

    def next(self):
        """The next one; it fails if none comes in time."""
        return json.loads(self._answer.readline())

    def until(self, name):
        """The next one of that name; the others are passed over."""
        while (event := self.next())["event"] != name:
            pass
        return event

    def close(self):
        self._client.close()
