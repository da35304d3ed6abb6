"""A machine on which README's walk is walked: a network of its own, and files of its own."""

import contextlib
import os
import signal
import subprocess

from .build import BACKEND_DIR, FLANNELD, environment
from .netns import Netns, run
from .processes import Process
from .wait import wait_until

# /etc and /run are what the walk writes to. /etc is a copy, /run is empty; both go with the
# namespace.
_PRIVATE = """
set -e
mount -t tmpfs -o mode=755 tmpfs {folder}
cp -a /etc {folder}/etc
mount --bind {folder}/etc /etc
mount -t tmpfs -o mode=755 tmpfs /run
mkdir {folder}/bin {folder}/files
echo ready
exec sleep infinity
"""

# What Debian's unit does: the user, the folder and the variables; it is there once it answers.
_SYSTEMCTL = """#!/bin/bash
set -e
[ "$*" = "restart etcd" ]
set -a
ETCD_NAME=walk ETCD_DATA_DIR=/run/etcd
. /etc/default/etcd
install -d -m 700 -o etcd -g etcd "$ETCD_DATA_DIR"
setsid setpriv --reuid=etcd --regid=etcd --init-groups etcd </dev/null >{folder}/log 2>&1 &
for _ in $(seq 200); do
	! (exec 3<>/dev/tcp/192.0.2.10/2379) 2>/dev/null || exit 0
	sleep 0.05
done
cat {folder}/log >&2
exit 1
"""


class Machine:
    """Scripts run on it as root, in one folder; it ends with all that it runs."""

    def __init__(self, underlay, address, folder):
        self.address = address
        self.folder = f"{folder}/{address}"
        self.files = f"{self.folder}/files"
        os.mkdir(self.folder, 0o755)
        self.netns = Netns("machine")
        underlay.plug(self.netns, address=address)
        self._holder = self.netns.popen(
            "unshare", "--mount", "--propagation", "private",
            "sh", "-c", _PRIVATE.format(folder=self.folder),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self._holder.stdout.readline() != "ready\n":
            raise AssertionError(f"no machine: {self._holder.communicate()[1]}")
        self._write("bin/systemctl", _SYSTEMCTL.format(folder=self.folder))
        os.symlink(FLANNELD, self.path("bin/flanneld"))

    def path(self, name):
        """A file in the folder of the machine, seen from outside of it."""
        return f"/proc/{self._holder.pid}/root{self.folder}/{name}"

    def _write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), 0o755)

    def env(self):
        env = environment(FLANNELD_BACKEND_DIR=BACKEND_DIR)
        return {**env, "PATH": f"{self.folder}/bin:{env['PATH']}"}

    def argv(self, *argv):
        return ["nsenter", "--target", str(self._holder.pid), "--mount", "--net",
                "--", "env", f"--chdir={self.files}", *argv]

    def sh(self, script):
        """What the script prints; it must not fail anywhere."""
        return run(*self.argv("sh", "-e", "-c", script), env=self.env()).stdout

    def daemon(self, script, log):
        """Run a script of one command in the background; its process is the command's."""
        return Process(self, ["sh", "-e", "-c", "exec " + script], log, self.env())

    def popen(self, *argv, **kwargs):
        return subprocess.Popen(self.argv(*argv), **kwargs)

    def copy_from(self, other, *names):
        for name in names:
            with open(other.path(f"files/{name}"), "rb") as source, \
                    open(self.path(f"files/{name}"), "wb") as target:
                target.write(source.read())

    def close(self):
        """Whatever is in its network is of its making, also what runs on behind a script."""
        wait_until(self._kill_all, "all processes of the machine have ended")
        self._holder.communicate()
        self.netns.delete()

    def _kill_all(self):
        pids = run("ip", "netns", "pids", self.netns.name).stdout.split()
        for pid in map(int, pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not [pid for pid in pids if int(pid) != self._holder.pid]
