"""--daemon: into the background, and back to the caller when what it waits for is there."""

import contextlib
import os
import re
import signal

import pytest

from harness.service import PIDFILE, ServiceMachine
from harness.wait import holds, wait_until


@pytest.fixture
def machine(world):
    return world.keep(ServiceMachine(world))


def test_the_caller_gets_its_prompt_when_subnet_env_and_the_rules_are_there(machine):
    machine.world.config()
    assert machine.started("--ip-masq") == ""
    assert "FLANNEL_SUBNET=10.5." in machine.subnet_text()
    assert "flanneld masq" in machine.sh("iptables -t nat -S")
    machine.stop()
    assert machine.pid is None


def test_it_has_let_go_of_all_that_it_was_started_with(machine):
    machine.world.config()
    code, said = machine.try_sh(
        "umask 077; exec 7</etc/passwd; cd /etc; "
        f"flanneld --daemon --pidfile={PIDFILE} {machine.flags}")
    assert code == 0, said
    stat = machine.proc("stat").rpartition(")")[2].split()
    parent, _, session, tty = (int(field) for field in stat[1:5])
    assert session not in (machine.pid, os.getsid(0)), "it could get a terminal"
    assert tty == 0
    assert parent not in (0, os.getpid())
    assert os.readlink(f"/proc/{machine.pid}/cwd") == "/"
    assert "Umask:\t0022" in machine.proc("status")
    names = {fd: os.readlink(f"/proc/{machine.pid}/fd/{fd}")
             for fd in os.listdir(f"/proc/{machine.pid}/fd")}
    assert [names[fd] for fd in "012"] == ["/dev/null"] * 3
    assert not any("passwd" in name or name.startswith("pipe:") for name in names.values())


def test_its_output_keeps_no_pipe_open(machine):
    """`$(flanneld --daemon 2>&1)` ends when the parent does, also when that gave up waiting."""
    said = machine.sh(f"echo $(flanneld --daemon --pidfile={PIDFILE} --ready-timeout=1s "
                      f"{machine.flags} 2>&1 || echo code $?)")
    assert said.endswith("code 9\n")
    assert os.path.exists(f"/proc/{machine.pid}"), "it has not ended"
    machine.world.config()
    wait_until(machine.subnet_text, "it went on, and is ready")


def test_what_is_wrong_before_it_is_ready_is_seen_by_the_caller(machine):
    machine.world.config(Backend={"Type": "nosuch"})
    code, said = machine.flanneld()
    assert code == 4
    assert re.search(r"ERROR .*no backend \"nosuch\"", said)
    assert machine.pid is None
    code, said = machine.flanneld("--iface=nosuch0")
    assert code == 3 and "nosuch0" in said
    code, said = machine.flanneld("--no-such-flag")
    assert code == 2 and "--no-such-flag" in said


@contextlib.contextmanager
def caller(machine, interrupt="--default-signal=INT"):
    """A flanneld --daemon that waits for the network config; @p interrupt: an option of env(1)."""
    process = machine.popen(
        "env", interrupt, "sh", "-c", f"exec flanneld --daemon --pidfile={PIDFILE} {machine.flags}",
        env=machine.env())
    try:
        machine.wait_syslog("config")
        yield process
    finally:
        process.kill()
        process.wait()


def test_it_waits_as_long_as_the_config_takes(machine):
    with caller(machine) as process:
        assert process.poll() is None
        assert machine.subnet_text() == ""
        machine.world.config()
        assert process.wait(20) == 0
        assert "FLANNEL_SUBNET" in machine.subnet_text()


def test_the_time_limit_ends_the_waiting_and_not_the_daemon(machine):
    code, said = machine.flanneld("--ready-timeout=1s")
    assert code == 9
    assert f"not ready after 1 s; process {machine.pid} goes on" in said
    code, said = machine.flanneld()
    assert code == 8 and f"{PIDFILE}: flanneld runs already, as process {machine.pid}" in said
    machine.world.config()
    wait_until(machine.subnet_text, "it is ready")
    machine.stop()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_caller_that_is_interrupted_takes_the_daemon_along(machine, number):
    with caller(machine) as process:
        process.send_signal(number)
        assert process.wait(10) == -number
        wait_until(lambda: machine.pid is None, "the daemon has ended")


def test_a_caller_that_ignores_interrupts_goes_on_waiting(machine):
    with caller(machine, "--ignore-signal=INT") as process:
        process.send_signal(signal.SIGINT)
        holds(lambda: process.poll() is None, "it waits", 0.5)
        machine.world.config()
        assert process.wait(20) == 0


def test_a_stop_before_it_is_ready_is_no_success(machine):
    with caller(machine) as process:
        machine.send(signal.SIGTERM)
        assert process.wait(10) == 9


def test_a_second_one_is_refused_and_the_first_is_not_disturbed(machine):
    machine.world.config()
    machine.started()
    first, env = machine.pid, machine.subnet_text()
    for background in (True, False):
        code, said = machine.flanneld(f"--pidfile={PIDFILE}", background=background)
        assert code == 8 and f"as process {first}" in said
    assert (machine.pid, machine.subnet_text()) == (first, env)
    machine.stop()


def test_a_stale_pidfile_keeps_nobody_out(machine):
    """Neither one that a kill has left, nor one whose number is another process's now."""
    machine.world.config()
    machine.started()
    old = machine.pid
    machine.kill()
    assert machine.pid == old
    machine.sh(f"echo 1 >{PIDFILE}")
    machine.started()
    assert machine.pid not in (1, old)
    machine.stop()


def test_relative_names_count_from_where_it_was_started(machine):
    machine.world.config()
    code, said = machine.try_sh(
        f"mkdir here && cd here && exec flanneld --daemon --pidfile=pid {machine.flags} "
        "--subnet-file=subnet.env")
    assert code == 0, said
    pid = int(machine.sh("cat here/pid"))
    assert "FLANNEL_SUBNET" in machine.sh("cat here/subnet.env")
    os.kill(pid, signal.SIGTERM)
    wait_until(lambda: machine.sh("ls here") == "subnet.env\n", "the pidfile is gone")


# --- the log


def test_the_log_goes_to_syslog(machine):
    machine.world.config()
    machine.started("-v=1")
    machine.wait_syslog("ready: 10.5.")
    ready = [line for line in machine.syslog() if "ready: 10.5." in line]
    assert len(ready) == 1
    assert re.match(rf"<30>\w{{3}} [ \d]\d \d\d:\d\d:\d\d flanneld\[{machine.pid}\]: daemon: ready",
                    ready[0])
    assert any(line.startswith("<31>") for line in machine.syslog()), "debug lines"
    machine.stop()
    machine.wait_syslog("stopping")


def test_signals_change_how_much_is_said(machine):
    machine.world.config()
    machine.started()
    for number, answer in ((signal.SIGUSR1, "SIGUSR1: the log goes on with debug lines"),
                           (signal.SIGUSR2, "SIGUSR2: the log goes on without debug lines"),
                           (signal.SIGUSR1, "SIGUSR1: the log goes on with debug lines")):
        heard = len(machine.syslog())
        machine.send(number)
        wait_until(lambda: any(answer in l for l in machine.syslog()[heard:]), answer)
    machine.send(signal.SIGHUP)
    machine.wait_syslog("SIGHUP: ")
    machine.wait_syslog("without debug lines")
    machine.stop()


def test_without_syslog_it_says_so_and_runs(machine):
    machine.world.config()
    machine.sh("rm /dev/log")
    said = machine.started()
    assert "WARN  service: /dev/log: No such file or directory" in said
    machine.stop()
