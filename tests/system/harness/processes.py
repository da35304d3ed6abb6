"""A process that runs in the background, and what the kernel says of it."""

import os
import signal
import subprocess

from .wait import TIMEOUT

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


class Process:
    """Started in a namespace, output into a file, ended for sure by close()."""

    def __init__(self, netns, argv, log_path, env=None):
        self.argv = argv
        self.log_path = log_path
        with open(log_path, "ab") as log:
            self._popen = netns.popen(
                *argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env)
        self.pid = self._popen.pid

    def running(self):
        return self._popen.poll() is None

    @property
    def exit_code(self):
        return self._popen.poll()

    def send(self, number):
        self._popen.send_signal(number)

    def wait(self, timeout=TIMEOUT):
        """Its exit code, once it has ended."""
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"{self.argv[0]} still runs after {timeout} s\n{self.log()}") from None

    def stop(self, number=signal.SIGTERM, timeout=TIMEOUT):
        self.send(number)
        return self.wait(timeout)

    def close(self):
        if self.running():
            self._popen.kill()
            self._popen.wait()

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def cpu_seconds(self):
        """Of user and system time, since the start: proc(5), stat."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS

    def wake_ups(self):
        """How often it has gone to sleep so far, its first thread: proc(5), status."""
        for line in self.proc_file("status").decode().splitlines():
            if line.startswith("voluntary_ctxt_switches:"):
                return int(line.split()[1])
        raise AssertionError("no voluntary_ctxt_switches")

    def resident(self):
        """Bytes of its memory that are in RAM: proc(5), status."""
        return self._status_bytes("VmRSS")

    def resident_anon(self):
        """Those that are no pages of files: programs come and go with what the page cache holds."""
        return self._status_bytes("RssAnon")

    def _status_bytes(self, name):
        (kib,) = [int(line.split()[1]) for line in self.proc_file("status").decode().splitlines()
                  if line.startswith(f"{name}:")]
        return kib * 1024

    def proc_file(self, name):
        with open(f"/proc/{self.pid}/{name}", "rb") as file:
            return file.read()
