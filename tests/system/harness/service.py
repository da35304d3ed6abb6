"""A machine on which flanneld is a service: /etc, /run and /dev are its own, syslog is heard."""

import os
import signal
import socket
import threading

from .build import BACKEND_DIR, sanitizer_report
from .machine import Machine
from .wait import wait_until

# /dev of its own, for /dev/log; the devices are copies.
_DEV = """
mkdir {folder}/dev {folder}/dev/net
for node in null zero full random urandom tty net/tun; do cp -a /dev/$node {folder}/dev/$node; done
ln -s {folder}/syslog {folder}/dev/log
mount --rbind {folder}/dev /dev
"""

PIDFILE = "/run/flanneld.pid"


class ServiceMachine(Machine):
    """flanneld as root starts it, by hand or by a script; whatever it started ends with it."""

    def __init__(self, world):
        super().__init__(world.underlay, world.underlay.new_address(), world.folder)
        self.world = world
        self.log_path = f"{self.folder}.err"
        self._syslog = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._syslog.bind(self.path("syslog"))
        self._heard = []
        threading.Thread(target=self._hear, daemon=True).start()
        self.sh(_DEV.format(folder=self.folder))
        self.sh(f"mkdir -m 1777 {self.folder}/reports")

    def env(self):
        """In the background stderr is nobody's: sanitizers write to files."""
        env = super().env()
        for name in env:
            if name.endswith("SAN_OPTIONS"):
                env[name] += f":log_path={self.folder}/reports/log"
        return env

    @property
    def flags(self):
        return (f"--etcd-endpoints={self.world.etcd.endpoint} --etcd-prefix={self.world.prefix} "
                f"--backend-dir={BACKEND_DIR}")

    def try_sh(self, script):
        """Exit code and what it said on stderr, of a script that may fail."""
        with open(self.log_path, "w+", encoding="utf-8") as log:
            process = self.popen("sh", "-c", script, stderr=log, stdout=log, env=self.env())
            code = process.wait(60)
            log.seek(0)
            return code, log.read()

    def flanneld(self, *flags, background=True):
        """Exit code and stderr of flanneld --daemon; it has to return."""
        daemon = f"--daemon --pidfile={PIDFILE} " if background else ""
        return self.try_sh(f"exec flanneld {daemon}{self.flags} {' '.join(flags)}")

    def started(self, *flags):
        code, said = self.flanneld(*flags)
        assert code == 0, said
        return said

    def write(self, path, text, mode=0o644):
        with open(self.path_of(path), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path_of(path), mode)

    # --- what runs

    @property
    def pid(self):
        """Of the pidfile, or None."""
        try:
            with open(self.path_of(PIDFILE), encoding="ascii") as file:
                return int(file.read())
        except (FileNotFoundError, ValueError):
            return None

    def path_of(self, path):
        """A file of the machine, seen from outside of it."""
        return f"/proc/{self._holder.pid}/root{path}"

    def proc(self, name):
        with open(f"/proc/{self.pid}/{name}", encoding="utf-8") as file:
            return file.read()

    def send(self, number):
        os.kill(self.pid, number)

    def kill(self):
        self.stop(signal.SIGKILL)

    def stop(self, number=signal.SIGTERM):
        pid = self.pid
        os.kill(pid, number)
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"), "it has ended")

    # --- what is said

    def _hear(self):
        """All the time, as a daemon does: few lines have room in the socket."""
        while line := self._syslog.recv(65536):
            self._heard.append(line.decode())

    def syslog(self):
        """All lines so far."""
        return list(self._heard)

    def wait_syslog(self, text):
        wait_until(lambda: any(text in line for line in self.syslog()), f"«{text}» in syslog")

    def subnet_text(self):
        """Of subnet.env; empty if it is not there."""
        return self.sh("cat /run/flannel/subnet.env 2>/dev/null || :")

    def subnet_env(self):
        return dict(line.split("=", 1) for line in self.subnet_text().splitlines())

    def close(self):
        reports = self.sh(f"cat {self.folder}/reports/* 2>/dev/null || :")
        super().close()
        self._syslog.shutdown(socket.SHUT_RDWR)
        self._syslog.close()
        assert not sanitizer_report(reports), reports
