# tests/bench/daemon.py - one flanneld under observation: started, watched, sampled, stopped.
import ctypes
import os
import select
import shutil
import signal
import sys
import time

import etcd
import netns

IN_CLOSE_WRITE, IN_MOVED_TO = 0x8, 0x80
CPUCLOCK_SCHED = 2

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILDS = (("build/stage/usr/sbin/flanneld", "build/stage/usr/lib/flanneld/backends"),
          ("flanneld", "backends/.libs"))  # by tests/build, by make

_libc = ctypes.CDLL(None, use_errno=True)


class DaemonError(Exception):
    """flanneld did not do what the measurement needs."""


def program():
    """The command to measure, as a list."""
    given, modules = os.environ.get("FLANNELD"), os.environ.get("BACKEND_DIR")
    builds = [(os.path.abspath(given), None)] if given else BUILDS
    for path, default in builds:
        path = os.path.join(TOP, path)
        if os.access(path, os.X_OK):
            modules = os.path.abspath(modules) if modules else default
            return [path] + ([f"--backend-dir={os.path.join(TOP, modules)}"] if modules else [])
    return sys.exit(f"{given or 'flanneld'}: not there; run tests/build, or set FLANNELD")


class _FileWatch:
    """Says when a file is complete: renamed into its folder, or closed after writing."""

    def __init__(self, folder):
        self._fd = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self._fd < 0 or _libc.inotify_add_watch(self._fd, folder.encode(),
                                                   IN_CLOSE_WRITE | IN_MOVED_TO) < 0:
            raise OSError(ctypes.get_errno(), "inotify")

    def wait(self, name, pid, timeout_s):
        """@return the time; None: not in time, or the process has ended"""
        deadline = time.monotonic() + timeout_s
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        with open(os.pidfd_open(pid), "rb", buffering=0) as process:
            poll.register(process, select.POLLIN)
            return self._wait(name, poll, deadline)

    def _wait(self, name, poll, deadline):
        while (left := deadline - time.monotonic()) > 0:
            ready = [fd for fd, _events in poll.poll(left * 1000)]
            now = time.monotonic()
            if self._fd not in ready:
                break
            # struct inotify_event: 16 bytes, then the name, padded with NULs
            if b"\0" + name.encode() + b"\0" in os.read(self._fd, 1 << 16):
                return now
        return None

    def close(self):
        os.close(self._fd)


class Daemon:
    """flanneld on a host. Its clock, begin, starts right before exec."""

    def __init__(self, host, program, folder, extra=()):
        self.host = host
        self._folder = os.path.join(folder, "run")
        shutil.rmtree(self._folder, ignore_errors=True)
        os.mkdir(self._folder)
        self.subnet_env = os.path.join(self._folder, "subnet.env")
        self._log = os.path.join(folder, "flanneld.log")
        self._argv = [*program, f"--etcd-endpoints=http://{netns.Host.GATEWAY}:{etcd.PORT}",
                      f"--etcd-prefix={etcd.PREFIX}", f"--subnet-file={self.subnet_env}", *extra]
        self._watch = _FileWatch(self._folder)
        self.pid = 0
        try:
            self.begin = self._spawn()
        except BaseException:
            self._watch.close()
            raise

    def _spawn(self):
        ready_r, ready_w = os.pipe()
        go_r, go_w = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._child(ready_w, go_r)
        os.close(ready_w)
        os.close(go_r)
        prepared = os.read(ready_r, 1)
        begin = time.monotonic()
        if prepared:
            os.write(go_w, b"g")
        os.close(ready_r)
        os.close(go_w)
        return begin

    def _child(self, ready_w, go_r):
        try:
            self.host.ns.enter()
            netns.die_with_parent()
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.dup2(log, 1)
            os.dup2(log, 2)
            for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
                signal.signal(name, signal.SIG_DFL)
            env = {k: v for k, v in os.environ.items()
                   if not k.startswith("FLANNELD_") and not k.lower().endswith("_proxy")
                   and k != "NOTIFY_SOCKET"}
            os.write(ready_w, b"r")
            os.read(go_r, 1)
            os.execve(self._argv[0], self._argv, env)
        except BaseException as e:  # pylint: disable=broad-except
            os.write(2, f"{self._argv[0]}: {e}\n".encode())
        finally:
            os._exit(127)

    def wait_for_subnet_env(self, timeout_s=30):
        """@return seconds since exec"""
        at = self._watch.wait("subnet.env", self.pid, timeout_s)
        if at is None:
            self.must_run()
            self.fail(f"no subnet.env within {timeout_s} s")
        return at - self.begin

    def subnet(self):
        """The leased subnet's address, as in the lease's key."""
        with open(self.subnet_env, encoding="ascii") as f:
            for line in f:
                if line.startswith("FLANNEL_SUBNET="):
                    a, b, c, _ = line.split("=")[1].split("/")[0].split(".")
                    return f"{a}.{b}.{c}.0"
        self.fail("subnet.env has no FLANNEL_SUBNET")

    def must_run(self):
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            self.pid = 0
            self.fail(f"it ended with code {os.waitstatus_to_exitcode(status)}")

    def fail(self, what):
        with open(self._log, encoding="utf-8", errors="replace") as f:
            raise DaemonError(f"{self._argv[0]}: {what}; its log ends with:\n{f.read()[-2000:]}")

    def log_count(self, text):
        """How often the log has it so far."""
        with open(self._log, encoding="utf-8", errors="replace") as f:
            return f.read().count(text)

    def cpu_s(self):
        """CPU time of all its threads, also of those that are gone; exact to the nanosecond."""
        return time.clock_gettime((~self.pid << 3) | CPUCLOCK_SCHED)

    def wakeups(self):
        """How often its threads have gone to sleep of their own will."""
        return sum(_status(f"/proc/{self.pid}/task/{task}/status")["voluntary_ctxt_switches"]
                   for task in os.listdir(f"/proc/{self.pid}/task"))

    def memory_kib(self):
        status = _status(f"/proc/{self.pid}/status")
        rollup = _status(f"/proc/{self.pid}/smaps_rollup")
        return {"rss": status["VmRSS"], "anon": status["RssAnon"], "pss": rollup["Pss"],
                "peak": status["VmHWM"]}

    def stop(self, timeout_s=10):
        """SIGTERM. @return seconds until it is gone"""
        begin = time.monotonic()
        fd = os.pidfd_open(self.pid)
        try:
            signal.pidfd_send_signal(fd, signal.SIGTERM)
            if not select.select([fd], [], [], timeout_s)[0]:
                self.fail(f"it still runs {timeout_s} s after SIGTERM")
            took = time.monotonic() - begin
        finally:
            os.close(fd)
        os.waitpid(self.pid, 0)
        self.pid = 0
        return took

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = 0
        self._watch.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def _status(path):
    """The numbers of a /proc file of "Name:  number ..." lines."""
    numbers = {}
    with open(path, encoding="ascii", errors="replace") as f:
        for line in f:
            name, _, rest = line.partition(":")
            first = rest.split()[:1]
            if first and first[0].isdigit():
                numbers[name] = int(first[0])
    return numbers
