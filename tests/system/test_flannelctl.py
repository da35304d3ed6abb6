"""flannelctl: against a scripted daemon and golden files, in a real terminal, and with real ones.

Golden files are made anew by GOLDEN=write; look at what has changed."""

import contextlib
import itertools
import json
import os
import pathlib
import subprocess
import threading
import time
import socket

import pytest

from harness import health
from harness.build import FLANNELD
from harness.netns import PREFIX, run
from harness.wait import wait_until

CTL = os.path.join(os.path.dirname(os.path.dirname(FLANNELD)), "bin/flannelctl")
GOLDEN = pathlib.Path(__file__).parent / "golden"
NOW = 1750000000

READY = {
    "version": "0.1.0", "ready": True, "reasons": [], "stage": "running",
    "started": NOW - 12000, "now": NOW, "backend": "vxlan", "network": "10.5.0.0/16", "mtu": 1450,
    "interface": {"name": "eth0", "address": "192.0.2.11", "public_ip": "192.0.2.11",
                  "mtu": 1500},
    "lease": {"subnet": "10.5.52.0/24", "state": "held", "expires": NOW + 78000, "renewals": 1,
              "renewal_failures": 0, "recreations": 0},
    "store": {"following": True, "waiting": None, "last_contact": NOW - 125, "snapshots": 1,
              "events": 3, "unreadable_entries": 0},
    "peers": {"known": 2, "reached": 2, "ignored": 0, "waiting": 0, "refused": 0},
    "rows": {"declared": 6, "installed": 6, "failed": 0, "conflicting": 0, "repaired": 0},
    "device_repairs": 0, "rules": {"state": "standing", "why": None}, "certificates": [],
    "counters": {},
}
SICK = {
    **READY, "ready": False,
    "reasons": [
        {"reason": "watch", "text": "the leases of other hosts are not followed: waiting for etcd: "
         "http://192.0.2.10:2379: Connection refused"},
        {"reason": "rules", "text": "the firewall's rules are not installed: \x1b[31mno cheese"}],
    "store": {**READY["store"], "following": False, "unreadable_entries": 2},
    "peers": {"known": 4, "reached": 2, "ignored": 0, "waiting": 1, "refused": 1},
    "rows": {**READY["rows"], "installed": 4, "repaired": 17},
    "certificates": [{"file": "/etc/flanneld/client.crt", "expires": NOW + 5 * 86400}],
}
WAITING = {
    **READY, "ready": False, "stage": "config", "backend": None, "network": None, "mtu": 0,
    "reasons": [{"reason": "start", "text": "waiting for /coreos.com/network/config"}],
    "lease": {"subnet": None, "state": "none", "expires": None},
    "store": {**READY["store"], "following": False},
    "peers": {"known": 0, "reached": 0, "ignored": 0, "waiting": 0, "refused": 0},
    "rows": {"declared": 0, "installed": 0, "repaired": 0}, "rules": {"state": "pending"},
}


def some_peers():
    """They are not sorted; one is not in step, one is not reached."""
    now = int(time.time())
    peer = {"backend": "vxlan", "state": "reached", "why": None, "how": "tunnel",
            "device": "flannel.1", "rows": 3, "rows_installed": 3, "in_step": True,
            "since": now - 130, "expires": now + 3600}
    return [
        {**peer, "subnet": "10.5.73.0/24", "public_ip": "192.0.2.13", "rows_installed": 2,
         "in_step": False},
        {**peer, "subnet": "10.5.9.0/24", "public_ip": "192.0.2.14", "how": "route",
         "device": "eth0"},
        {"subnet": "10.5.74.0/24", "public_ip": "198.51.100.9", "backend": "vxlan",
         "state": "waiting", "rows": 0, "rows_installed": 0, "in_step": True,
         "why": "it is behind the gateway 192.0.2.1 on eth0, and everything that has a very long "
                "reason is cut where the terminal ends", "since": now - 3 * 3600},
    ]


EVENTS = [
    {"time": "2026-01-31T12:00:00.123Z", "event": "hello", "ready": True, "reasons": []},
    {"time": "2026-01-31T12:00:01.000Z", "event": "peer-came", "subnet": "10.5.72.0/24",
     "public_ip": "192.0.2.12", "backend": "vxlan"},
    {"time": "2026-01-31T12:00:02.000Z", "event": "rows-repaired", "rows": 3},
    {"time": "2026-01-31T12:00:03.000Z", "event": "not-ready", "ready": False,
     "reasons": [{"reason": "watch", "text": "the leases are not followed"}]},
]


class Scripted:
    """A daemon that answers what it is told to; by HTTP/1.0, one after the other."""

    def __init__(self, folder):
        self.path = f"{folder}/scripted.sock"
        self.answers = {}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(self.path)
        self._socket.listen(8)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                path = connection.recv(4096).split(b" ")[1].decode()
                connection.sendall(self.answers.get(path, b"HTTP/1.0 404 Not Found\r\n\r\n"))

    def answer(self, path, text):
        self.answers[path] = b"HTTP/1.0 200 OK\r\nContent-Type: x\r\n\r\n" + text.encode()

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)


@pytest.fixture
def scripted(folder):
    made = Scripted(folder)
    made.answer("/v1/status", json.dumps(READY) + "\n")
    made.answer("/v1/peers", "[" + ",\n".join(map(json.dumps, some_peers())) + "]\n")
    made.answer("/v1/events", "".join(json.dumps(e) + "\n" for e in EVENTS))
    yield made
    made.close()


def ctl(daemon, *argv):
    return run(CTL, f"--socket={daemon.path}", *argv, check=False)


def same_as_golden(name, text):
    path = GOLDEN / name
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


# --- golden files

@pytest.mark.parametrize("name, state, code", [
    ("status-ready", READY, 0), ("status-sick", SICK, 1), ("status-waiting", WAITING, 1)])
def test_status_is_one_screen(scripted, name, state, code):
    scripted.answer("/v1/status", json.dumps(state) + "\n")
    done = ctl(scripted, "status")
    assert (done.returncode, done.stderr) == (code, "")
    assert "\x1b" not in done.stdout
    same_as_golden(name, done.stdout)


def test_peers_are_a_table_in_order(scripted):
    done = ctl(scripted, "peers")
    assert (done.returncode, done.stderr) == (1, ""), "one is not in step"
    same_as_golden("peers", done.stdout)


def test_events_are_lines(scripted):
    done = ctl(scripted, "watch")
    assert (done.returncode, done.stderr) == (1, "flannelctl: flanneld has ended\n")
    same_as_golden("watch", done.stdout)


def test_all_of_it_comes_as_json_too(scripted):
    assert json.loads(ctl(scripted, "status", "--json").stdout) == READY
    assert len(json.loads(ctl(scripted, "--json", "peers").stdout)) == 3
    lines = ctl(scripted, "watch", "--json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == EVENTS


# --- a real terminal

@contextlib.contextmanager
def terminal(folder, width):
    """tmux, of its own, without anybody's config."""
    name = f"{PREFIX}-{width}"
    base = ["tmux", "-L", name, "-f", "/dev/null"]
    run(*base, "new-session", "-d", "-x", str(width), "-y", "50", "sh",
        env={"PATH": os.environ["PATH"], "TERM": "screen", "PS1": "$ ", "LC_ALL": "C.UTF-8",
             "TMUX_TMPDIR": str(folder)})
    environment = {**os.environ, "TMUX_TMPDIR": str(folder)}
    numbers = itertools.count()

    def show(command):
        """What stands on the screen after a command, with its colours."""
        number = next(numbers)  # the end of the one before may stand there still
        run(*base, "send-keys", f"clear; {command}; echo d''one {number}.", "Enter",
            env=environment)

        def shown():
            screen = run(*base, "capture-pane", "-p", "-e", env=environment).stdout
            before, end, _ = screen.partition(f"\ndone {number}.")
            return (before,) if end else None
        (text,) = wait_until(shown, "the command has ended")
        return text
    try:
        yield show
    finally:
        run(*base, "kill-server", env=environment)


@pytest.mark.parametrize("width", [80, 120])
def test_lines_fit_a_terminal_and_have_colours(scripted, folder, width):
    scripted.answer("/v1/status", json.dumps(SICK) + "\n")
    with terminal(folder, width) as show:
        status = show(f"{CTL} --socket={scripted.path} status")
        same_as_golden(f"terminal-status-{width}", status)
        assert "\x1b[31m" in status
        same_as_golden(f"terminal-peers-{width}",
                       show(f"{CTL} --socket={scripted.path} peers"))
        assert "\x1b[" not in show(f"NO_COLOR=1 {CTL} --socket={scripted.path} status")


# --- when it goes wrong

def test_without_a_daemon_it_says_so(folder):
    done = run(CTL, f"--socket={folder}/nobody", "status", check=False)
    assert done.returncode == 3 and done.stdout == ""
    assert f"{folder}/nobody: flanneld cannot be asked: No such file" in done.stderr


@pytest.mark.parametrize("answer", [
    b"", b"HTTP/1.0 500 Oh\r\n\r\n", b"SSH-2.0\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n{\n",
    b"HTTP/1.0 200 OK\r\n\r\n\x00\n", b"HTTP/1.0 200 OK\r\n" + b"X: y\r\n" * 10000,
    b"HTTP/1.0 200 OK\r\n\r\n" + b"a" * 2000000], ids=range(7))
@pytest.mark.parametrize("command", ["status", "peers", "ping"])
def test_an_answer_of_no_use_is_said(scripted, command, answer):
    scripted.answers = {"/v1/status": answer, "/v1/peers": answer}
    done = ctl(scripted, command)
    assert done.returncode == 3
    assert done.stderr.startswith(f"flannelctl: {scripted.path}: ")
    assert done.stdout == ""


def test_a_list_that_breaks_off_is_not_taken_for_whole(scripted):
    scripted.answer("/v1/peers", "[" + json.dumps(some_peers()[0]) + ",\n")
    done = ctl(scripted, "peers")
    assert done.returncode == 3 and "broke off" in done.stderr


@pytest.mark.parametrize("argv, text", [
    ((), "no command"), (("bogus",), "unknown command bogus"), (("--bogus", "status"), "--bogus"),
    (("status", "x"), "unexpected argument"), (("ping", "--count", "0"), "1..64"),
    (("ping", "--count"), "1..64"), (("--socket",), "--socket")])
def test_bad_arguments_are_said(argv, text):
    done = run(CTL, *argv, check=False)
    assert done.returncode == 2 and text in done.stderr and done.stdout == ""


def test_help_names_every_command():
    done = run(CTL, "--help")
    for command in ("status", "peers", "watch", "ping", "check", "config", "leases", "reserve",
                    "unreserve", "release"):
        assert f"\n  {command} " in done.stdout


def test_the_completion_completes():
    script = os.path.join(os.path.dirname(CTL), "../share/bash-completion/completions/flannelctl")
    done = run("bash", "-c", f". {script}; COMP_WORDS=(flannelctl pe); COMP_CWORD=1; _flannelctl; "
               'echo "${COMPREPLY[@]}"; COMP_WORDS=(flannelctl ping --c); COMP_CWORD=2; _flannelctl; '
               'echo "${COMPREPLY[@]}"')
    assert done.stdout == "peers\n--count\n"


# --- with real daemons

def test_it_shows_and_pings_real_hosts(world):
    world.config()
    first, second = world.joined(2)
    silent = world.peer(200)
    first.wait_peers(second, silent)
    argv = (CTL, f"--socket={health.control_path(first)}")
    done = run(*argv, "status", check=False)
    assert done.returncode == 0 and ": ready\n" in done.stdout, done.stdout + done.stderr
    done = run(*argv, "peers", check=False)
    assert done.returncode == 0 and second.subnet in done.stdout, done.stdout + done.stderr
    done = first.netns.run(*argv, "ping", "--json", check=False)
    assert done.returncode == 1, "the fake peer does not answer"
    told = {t["address"]: t for t in json.loads(done.stdout)}
    assert told[second.subnet[:-3]]["received"] == 3
    assert 0 < told[second.subnet[:-3]]["min_ms"] <= told[second.subnet[:-3]]["max_ms"]
    assert told[silent.subnet[:-3]]["received"] == 0
    done = first.netns.run(*argv, "ping", "--count", "1", check=False)
    assert "2 hosts, 1 answer, 1 do not" in done.stdout


def test_who_is_neither_root_nor_in_the_group_is_refused(world):
    world.config()
    host = world.host().start()
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--clear-groups", CTL,
         f"--socket={health.control_path(host)}", "status"],
        capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 3 and "Permission denied" in done.stderr
