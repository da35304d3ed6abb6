"""The sandbox: what a flanneld that is taken over can still do."""

import os
import pathlib
import re

import pytest

from harness import udp
from harness.build import is_sanitized
from harness.modules import SOURCES
from harness.netns import run

DENIED = {
    "read a secret": "EACCES",
    "have a child read it": "EACCES",
    "read root's home": "EACCES",
    "write into /etc": "EACCES",
    "write into /tmp": "EACCES",
    "write into /run": "EACCES",
    "set a sysctl": "EACCES",
    "have a thread read it": "EACCES",
    "have root's rights given to it": "ENOSYS",
    "type into a terminal": "ENOSYS",
    "signal a stranger": "EPERM",
    "mount": "ENOSYS",
    "enter a namespace": "ENOSYS",
    "leave a namespace": "ENOSYS",
    "load BPF": "ENOSYS",
    "set the clock": "ENOSYS",
    "a socket of another family": "ENOSYS",
    **({} if is_sanitized() else {"trace a process": "ENOSYS"}),
}
LEFT = ("write beside subnet.env", "remove it", "read /etc", "start a program")


def threads(host):
    """(seccomp mode, no_new_privs) of each of its threads: proc(5), status."""
    found = []
    for status in of_each_thread(host, "status"):
        fields = dict(line.split(":\t", 1) for line in status.splitlines())
        found.append((int(fields["Seccomp"]), int(fields["NoNewPrivs"])))
    return found


def names(host):
    return {comm.rstrip() for comm in of_each_thread(host, "comm")}


def of_each_thread(host, file):
    return [host.daemon.proc_file(f"task/{task}/{file}").decode()
            for task in os.listdir(f"/proc/{host.daemon.pid}/task")]


@pytest.fixture
def attempts(world, modules):
    """start(flags): how each attempt of the probe ended."""
    modules.probe()
    host = world.host()
    secret = pathlib.Path(world.folder, "secret")
    secret.write_text("x\n", encoding="ascii")
    world.config(Backend={"Type": "probe", "Secret": str(secret),
                          "Folder": os.path.dirname(host.subnet_file)})

    def start(*flags):
        host.start(modules.flag, *flags)
        return dict(re.findall(r"INFO  probe: (.*): (\w+)$", host.log(), re.M)), host
    yield start
    for folder in "/etc", "/tmp", "/run":  # of the run that may
        if os.path.exists(f"{folder}/flanneld-probe"):
            os.unlink(f"{folder}/flanneld-probe")


def test_an_intruder_reaches_little(attempts):
    ended, host = attempts()
    assert {what: ended[what] for what in DENIED} == DENIED
    assert {what: ended[what] for what in LEFT} == dict.fromkeys(LEFT, "done")
    assert "sandbox" not in host.log(), "nothing to say about it"


def test_without_a_sandbox_it_reaches_more(attempts):
    ended, host = attempts("--no-sandbox")
    for what, denied in DENIED.items():
        assert ended[what] != denied, what
        assert ended[what] == "done" or denied == "ENOSYS", what
    assert "sandbox: off (--no-sandbox)" in host.log()


def test_all_threads_are_in_it(world):
    udp.config(world, Threads=3)
    host = world.host().start()
    found = threads(host)
    assert len(found) > 3 and set(found) == {(2, 1)}, found
    assert {"udp-lane-0", "udp-lane-1", "udp-lane-2"} <= names(host)


def test_no_sandbox_leaves_no_trace(world):
    world.config()
    assert set(threads(world.host().start("--no-sandbox"))) == {(0, 0)}


def test_a_backend_that_runs_commands_is_left_out_and_that_is_said(world):
    world.config(Backend={"Type": "extension", "PostStartupCommand": "true"})
    host = world.host().start("--allow-extension")
    assert set(threads(host)) == {(0, 0)}
    assert "sandbox: off, for what commands backend extension runs may need anything" in host.log()


@pytest.mark.skipif(is_sanitized(), reason="a sanitizer must be loaded first")
def test_modules_of_the_legacy_iptables_are_loaded_before(world, tmp_path):
    """It has modprobe load them, which cannot work in there."""
    preload = tmp_path / "no_ip_tables.so"
    run("gcc", "-Wall", "-Werror", "-fPIC", "-shared", "-o", str(preload),
        str(SOURCES / "no_ip_tables.c"))
    (tmp_path / "modprobe").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/loaded\n')
    (tmp_path / "modprobe").chmod(0o755)
    for tool in "iptables", "iptables-save", "iptables-restore":
        os.symlink("/usr/sbin/xtables-legacy-multi", tmp_path / tool)
    world.config()
    host = world.host().start("--ip-masq", env={
        "PATH": f"{tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin", "LD_PRELOAD": str(preload)})
    assert (tmp_path / "loaded").read_text() == "-q -a ip_tables iptable_nat iptable_filter\n"
    assert host.stop() == 0
