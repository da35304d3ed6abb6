# tests/bench/netns.py - network namespaces without a name, and commands that run in them.
"""A namespace lives as long as its descriptor (and what runs in it): nothing is left in /run/netns,
not even when this process is killed."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


class CommandError(Exception):
    """A command that had to work did not."""


def _check(result, what):
    if result < 0:
        err = ctypes.get_errno()
        raise OSError(err, f"{what}: {os.strerror(err)}")


class Netns:
    """A network namespace of our own, with its loopback up."""

    def __init__(self):
        with open("/proc/self/ns/net", "rb") as home:
            _check(_libc.unshare(CLONE_NEWNET), "unshare(CLONE_NEWNET)")
            try:
                self.fd = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            finally:
                _check(_libc.setns(home.fileno(), CLONE_NEWNET), "setns")
        self.ip("link", "set", "lo", "up")

    @property
    def path(self):
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    def enter(self):
        """Move the calling process there for good: for a child between fork and exec."""
        _check(_libc.setns(self.fd, CLONE_NEWNET), "setns")

    @contextlib.contextmanager
    def inside(self):
        """Sockets that are made in this block belong to the namespace."""
        with open("/proc/self/ns/net", "rb") as home:
            self.enter()
            try:
                yield
            finally:
                _check(_libc.setns(home.fileno(), CLONE_NEWNET), "setns")

    def run(self, argv, must_work=True):
        done = subprocess.run(argv, preexec_fn=self._prepare, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if must_work and done.returncode != 0:
            text = done.stdout.decode(errors="replace").strip()
            raise CommandError(f"{' '.join(argv)}: exit {done.returncode}: {text[-500:]}")
        return done.returncode

    def popen(self, argv, **kwargs):
        return subprocess.Popen(argv, preexec_fn=self._prepare, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                **kwargs)

    def ip(self, *args, must_work=True):
        return self.run(["ip", *args], must_work)

    def _prepare(self):
        self.enter()
        die_with_parent()

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


def die_with_parent():
    """In a child: be killed when the harness dies, however it dies."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Host:
    """A host beside etcd: a namespace with eth0 on a veth pair, removed as a whole."""

    ADDRESS = "192.168.77.2"
    GATEWAY = "192.168.77.1"

    def __init__(self, etcd_ns):
        self._etcd_ns = etcd_ns
        self.ns = Netns()
        try:
            etcd_ns.ip("link", "add", "host", "type", "veth", "peer", "name", "eth0",
                       "netns", self.ns.path)
            etcd_ns.ip("addr", "add", f"{self.GATEWAY}/24", "dev", "host")
            etcd_ns.ip("link", "set", "host", "up")
            self.ns.ip("addr", "add", f"{self.ADDRESS}/24", "dev", "eth0")
            self.ns.ip("link", "set", "eth0", "up")
            self.ns.ip("route", "add", "default", "via", self.GATEWAY)
        except BaseException:
            self.close()
            raise

    def close(self):
        # The kernel takes a closed namespace apart in the background, which would disturb the next
        # measurement. So the overlay device goes first, and at once: its rows are most of the work.
        if self.ns.fd >= 0:
            self.ns.ip("link", "del", "flannel.1", must_work=False)
        self._etcd_ns.ip("link", "del", "host", must_work=False)
        self.ns.close()
        time.sleep(0.3)  # the rest of it holds the lock that every netlink request takes

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
