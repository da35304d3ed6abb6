"""A network namespace: made, used, removed."""

import contextlib
import ctypes
import itertools
import json
import os
import subprocess

CLONE_NEWNET = 0x40000000
PREFIX = f"flt{os.getpid()}"

_libc = ctypes.CDLL(None, use_errno=True)
_numbers = itertools.count(1)


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def run(*argv, check=True, **kwargs):
    """Run a program to its end; its output is in the error if it fails."""
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=60, check=False, **kwargs)
    if check and done.returncode != 0:
        raise AssertionError(
            f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def leftovers():
    """Namespaces of this session that are still there."""
    return [n for n in os.listdir("/run/netns") if n.startswith(PREFIX + "-")]


class Netns:
    """All names are unique on this machine; interfaces inside have plain names."""

    def __init__(self, role):
        self.name = f"{PREFIX}-{next(_numbers)}-{role}"
        self.path = f"/run/netns/{self.name}"
        run("ip", "netns", "add", self.name)
        self.batch("link set lo up")
        self.sysctl("net.ipv4.ip_forward", 1)

    def delete(self):
        run("ip", "netns", "del", self.name)

    def batch(self, *lines):
        """Commands of ip(8), each without the word ip, in one process."""
        run("ip", "-n", self.name, "-batch", "-", input="\n".join(lines) + "\n")

    def json(self, command):
        """What an ip or bridge command shows: json("ip route show dev eth0")."""
        program, *rest = command.split()
        return json.loads(run(program, "-n", self.name, "-d", "-j", *rest).stdout or "[]")

    def sysctl(self, key, value):
        with self.entered(), open("/proc/sys/" + key.replace(".", "/"), "w",
                                  encoding="ascii") as file:
            file.write(str(value))

    def cut_off(self, addresses, verdict="drop"):
        """Packets to and from these addresses are dropped, silently if not told otherwise."""
        them = ", ".join(addresses)
        self.run("nft", "-f", "-", input=f"""table inet cut {{
            chain in {{ type filter hook input priority -300; ip saddr {{ {them} }} {verdict}; }}
            chain out {{ type filter hook output priority -300; ip daddr {{ {them} }} {verdict}; }}
        }}""")

    def heal(self):
        self.run("nft", "delete", "table", "inet", "cut")

    def argv(self, *argv):
        """The command line that runs argv inside; the process keeps its id."""
        return ["nsenter", f"--net={self.path}", "--", *argv]

    def run(self, *argv, **kwargs):
        return run(*self.argv(*argv), **kwargs)

    def popen(self, *argv, **kwargs):
        return subprocess.Popen(self.argv(*argv), **kwargs)

    @contextlib.contextmanager
    def entered(self):
        """This thread, and the sockets it opens, are inside while the block runs."""
        with open("/proc/thread-self/ns/net", "rb") as home, open(self.path, "rb") as there:
            _setns(there.fileno())
            try:
                yield
            finally:
                _setns(home.fileno())
