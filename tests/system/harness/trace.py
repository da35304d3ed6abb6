"""What a process asks of the kernel, as strace(1) sees it."""

import re

from .wait import wait_until

_CALL = re.compile(r"^\d+ +(\w+)\(")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. \w+ resumed>(.*)")
_UNFINISHED = " <unfinished ...>"
_WAITS = ("epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select", "pselect6",
          "nanosleep", "clock_nanosleep", "pause", "wait4", "waitid", "flock")
_SENDS = ("sendto", "sendmsg", "sendmmsg", "write", "writev", "connect")


class Trace:
    """Of one run of a program: started with wrapper and env, its process id is its own."""

    # A leak check is a debugger itself, so it does not work below one.
    env = {"ASAN_OPTIONS": "detect_leaks=0:exitcode=99"}

    def __init__(self, path, calls="all"):
        """calls is strace's: all, %process, recvfrom,read ..."""
        self._path = path
        self.wrapper = ("strace", "-D", "-f", "-yy", "-s", "4096", "-e", f"trace={calls}",
                        "-o", path)

    def lines(self):
        with open(self._path, encoding="utf-8", errors="replace") as file:
            return file.read().splitlines()

    def ended(self):
        """All lines; the tracer may be a little behind the end of what it traces."""
        wait_until(lambda: any("+++ exited" in line for line in self.lines()[-1:]),
                   "the trace is complete")
        return self.lines()


def _whole(lines):
    """Each call in one line, also where other processes came in between."""
    whole, begun = [], {}
    for line in lines:
        resumed = _RESUMED.match(line)
        if line.endswith(_UNFINISHED):
            begun[line.split()[0]] = len(whole)
            whole.append(line.removesuffix(_UNFINISHED))
        elif resumed and resumed.group(1) in begun:
            whole[begun.pop(resumed.group(1))] += resumed.group(2)
        elif not resumed:
            whole.append(line)
    return whole


def calls(lines, *names):
    """The calls of these names that begin in the lines, each as one line."""
    return [line for line in _whole(lines)
            if (found := _CALL.match(line)) and found.group(1) in names]


def starts_of_processes(lines):
    """Those that the kernel knows: the sandbox knows no clone3, and the C library takes clone."""
    return [line for line in calls(lines, "fork", "vfork", "clone", "clone3", "execve", "execveat")
            if "= -1 ENOSYS" not in line]


def since_signal(lines, name):
    """The lines behind the first delivery of that signal."""
    at = next(i for i, line in enumerate(lines) if f"--- {name} " in line)
    return lines[at + 1:]


def timeout_ms(line):
    """How long an epoll_wait or a poll was told to wait; None of another call."""
    found = re.search(r", (-?\d+)\) += ", line)
    return int(found.group(1)) if found else None


def waits(lines):
    """Calls that may have put the process to sleep: not those that were told not to wait."""
    sleeping = calls(lines, *_WAITS) + [
        line for line in calls(lines, "futex") if "FUTEX_WAIT" in line]
    return [line for line in sleeping if timeout_ms(line) != 0]


def sent_to_the_network(lines):
    return [line for line in calls(lines, *_SENDS)
            if re.search(r"<(TCP|UDP|TCPv6|UDPv6|NETLINK):", line) or "AF_INET" in line]
