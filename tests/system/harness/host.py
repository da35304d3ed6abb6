"""A host: a namespace on the underlay in which flanneld runs."""

import os
import select
import signal
import socket

from . import kernel
from .build import BACKEND_DIR, FLANNELD, environment, sanitizer_report
from .netns import Netns
from .processes import Process
from .wait import TIMEOUT, wait_equal, wait_until


class NotifySocket:
    """The service manager's end of sd_notify(3)."""

    def __init__(self, path):
        self.path = path
        self.messages = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(path)

    def poll(self, timeout=0.0):
        """Take what has come; wait for the first so long."""
        while select.select([self._socket], [], [], timeout)[0]:
            self.messages += self._socket.recv(65536).decode().splitlines()
            timeout = 0.0
        return self.messages

    def close(self):
        self._socket.close()
        os.unlink(self.path)


class Host:
    """One flanneld at a time; the files of all its runs are in one folder."""

    def __init__(self, world, number, plug=True, netns=None):
        self.world = world
        self.folder = f"{world.folder}/host{number}"
        os.mkdir(self.folder)
        self.subnet_file = f"{self.folder}/run/flannel/subnet.env"
        self.log_path = f"{self.folder}/log"
        self._shares_netns = netns is not None
        self.netns = netns or Netns(f"host{number}")
        self.address = world.underlay.plug(self.netns) if plug and not netns else None
        self.daemon = None
        self.notify = None

    @property
    def device(self):
        return f"flannel.{self.world.vni}"

    # --- flanneld's life

    def start(self, *flags, env=None, ready=True, wrapper=()):
        """Start it with the usual flags and these; they come last, so they win."""
        self.begin(self._usual_flags() + list(flags), env, wrapper)
        if ready:
            self.wait_ready()
        return self

    def begin(self, flags, env=None, wrapper=()):
        """Start it with nothing but these flags, and do not wait."""
        assert not (self.daemon and self.daemon.running())
        if self.notify:
            self.notify.close()
        self.notify = NotifySocket(f"{self.folder}/notify")
        self.daemon = Process(
            self.netns, [*wrapper, FLANNELD, *flags], self.log_path,
            environment(NOTIFY_SOCKET=self.notify.path, **(env or {})))
        return self.daemon

    def _usual_flags(self):
        return [
            f"--etcd-endpoints={self.world.etcd.endpoint}",
            f"--etcd-prefix={self.world.prefix}",
            f"--subnet-file={self.subnet_file}",
            f"--backend-dir={BACKEND_DIR}",
        ]

    def wait_ready(self, timeout=TIMEOUT):
        def is_ready():
            assert self.daemon.running(), f"ended, {self.daemon.exit_code}:\n{self.log()}"
            return "READY=1" in self.notify.poll(0.05)
        wait_until(is_ready, "flanneld says READY=1", timeout, interval=0)

    def stop(self):
        """SIGTERM; its exit code."""
        return self.daemon.stop()

    def kill(self):
        self.daemon.stop(signal.SIGKILL)

    def wait_exit(self, timeout=TIMEOUT):
        return self.daemon.wait(timeout)

    def cleanup(self, *flags):
        """Run flanneld --cleanup to its end, without etcd."""
        return self.netns.run(FLANNELD, "--cleanup", f"--subnet-file={self.subnet_file}", *flags,
                              check=False, env=environment())

    def restart(self, *flags):
        assert self.stop() == 0
        return self.start(*flags)

    def close(self):
        """End and remove everything; then say what was wrong with its end."""
        try:
            faults = self._end() if self.daemon else []
        finally:
            if self.daemon:
                self.daemon.close()
                self.notify.close()
            if not self._shares_netns:
                self.netns.delete()
        assert not faults, "\n".join(faults)

    def _end(self):
        """SIGTERM must end it well, and no sanitizer may have had anything to say."""
        faults = []
        if self.daemon.running() and self.stop() != 0:
            faults.append(f"exit code {self.daemon.exit_code} on SIGTERM")
        report = sanitizer_report(self.log())
        return faults + ([report] if report else [])

    # --- what it left in files and in the kernel

    def log(self):
        if not os.path.exists(self.log_path):
            return ""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def wait_log(self, text, timeout=TIMEOUT):
        wait_until(lambda: text in self.log(), f"«{text}» in the log", timeout)

    def subnet_env(self):
        with open(self.subnet_file, encoding="ascii") as file:
            return dict(line.rstrip("\n").split("=", 1) for line in file)

    @property
    def gateway(self):
        """The first usable address of the subnet: 10.5.52.1."""
        return self.subnet_env()["FLANNEL_SUBNET"].partition("/")[0]

    @property
    def subnet(self):
        """As in the key of the lease: 10.5.52.0/24 (of /24 pools)."""
        return self.gateway.rpartition(".")[0] + ".0/24"

    @property
    def mac(self):
        return kernel.device(self.netns, self.device)["address"]

    def lease(self):
        return self.world.lease(self.subnet)

    def peers(self):
        return kernel.peers(self.netns, self.device)

    def wait_peers(self, *others, timeout=TIMEOUT):
        """Until exactly these hosts and fake peers are reached, with their data of now."""
        expected = {o.subnet: (o.address, o.mac) for o in others}
        wait_equal(self.peers, expected, "the rows of all peers stand, and no others", timeout)

    def gateways(self):
        return kernel.gateways(self.netns)

    def wait_gateways(self, *others, timeout=TIMEOUT):
        """Until exactly these hosts and fake peers are reached by routes over the underlay."""
        expected = {o.subnet: o.address for o in others}
        wait_equal(self.gateways, expected, "the routes to all peers stand, and no others", timeout)

    # --- another underlay

    def set_mtu(self, mtu):
        """Of its interface; the bridge's end takes all."""
        underlay = self.world.underlay
        underlay.netns.batch(f"link set {underlay.port(self.netns)} mtu 9000")
        self.netns.batch(f"link set eth0 mtu {mtu}")

    def renumber(self, address):
        """Its interface has this address instead; with the old one all routes go."""
        self.netns.batch(
            f"addr del {self.address}/16 dev eth0", f"addr add {address}/16 dev eth0",
            f"route replace default via {self.world.underlay.gateway}")
        self.address = address

    def unplug(self):
        """Remove its interface."""
        self.netns.batch("link del eth0")

    def replug(self, address=None):
        """Another interface of the same name, with the same address if not given."""
        self.address = self.world.underlay.plug(self.netns, address=address or self.address)

    # --- away from the others

    def cut_off(self, address, verdict="drop"):
        """Drop all packets to and from an address, silently if not told otherwise."""
        self.netns.cut_off([address], verdict)

    def heal(self):
        self.netns.heal()
