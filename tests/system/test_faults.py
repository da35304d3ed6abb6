"""System calls that fail: no descriptors, no room on the disk, interruptions. Each is an error that
names what is missing, or is overcome; nothing is lost that was there."""

import os
import re
import resource
import signal
import threading
import time

import pytest

from harness import kernel
from harness.build import is_sanitized
from harness.wait import holds, wait_equal, wait_until


def limit(pid, number):
    """So many descriptors it may have."""
    most = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (number, most))


# --- EMFILE

# Standard input, output and error, and what a start needs one after the other.
@pytest.mark.parametrize("number", range(4, 28, 2))
def test_too_few_descriptors_are_said_and_more_of_them_help(world, number):
    if number < 8 and is_sanitized():
        pytest.skip("the sanitizer needs some for itself")
    world.config()
    host = world.host()
    host.start("--ip-masq", "--healthz-port=8471", ready=False,
               wrapper=("prlimit", f"--nofile={number}:"))

    def is_decided():
        ready = "READY=1" in host.notify.poll()
        return ready or not host.daemon.running() or "Too many open files" in host.log()

    wait_until(is_decided, "it is ready, ends, or says what is missing")
    time.sleep(0.3)  # the end comes behind the words
    if not host.daemon.running():
        assert host.daemon.exit_code in (1, 3, 4, 5, 7, 127), host.log()
        assert re.search("ERROR|error while loading|cannot open", host.log())
        host.start("--ip-masq", ready=False)
    else:
        limit(host.daemon.pid, 1024)
    host.wait_ready(timeout=20)
    host.wait_peers(world.peer(200))


def test_no_descriptor_for_a_new_connection_is_waited_out(own_world):
    world = own_world
    world.config()
    host = world.host().start()
    known = world.peer(200)
    host.wait_peers(known)
    limit(host.daemon.pid, 3)  # those that are open stay open
    world.etcd.restart()
    lines = host.log().count("\n")
    holds(host.daemon.running, "it runs", 3)
    assert host.log().count("\n") - lines < 15
    assert host.peers() == {known.subnet: (known.address, known.mac)}
    other = world.peer(201)
    limit(host.daemon.pid, 1024)
    host.wait_peers(known, other)


# --- ENOSPC

FULL = """
mount -t tmpfs -o size=16k tmpfs "$DIR" && { dd if=/dev/zero of="$DIR/fill" bs=4k || :; } 2>/dev/null
exec "$@"
"""


def test_exit_7_if_there_is_no_room_for_subnet_env(world, folder):
    world.config()
    host = world.host()
    full = folder / "full"
    full.mkdir()
    host.start(f"--subnet-file={full}/subnet.env", "--control-socket=", ready=False,
               env={"DIR": str(full)}, wrapper=("unshare", "--mount", "sh", "-c", FULL, "sh"))
    assert host.wait_exit() == 7
    assert f"{full}/subnet.env: cannot be written: No space left on device" in host.log()


def test_no_room_for_another_subnet_env_leaves_the_old_one(world, folder):
    """It is written once there is room."""
    world.config()
    host = world.host()
    path = folder / "small"
    path.mkdir()
    script = 'mount -t tmpfs -o size=16k tmpfs "$DIR"; exec "$@"'
    host.subnet_file = f"{path}/subnet.env"
    host.start("--control-socket=", ready=False, env={"DIR": str(path)},
               wrapper=("unshare", "--mount", "sh", "-c", script, "sh"))
    host.wait_ready()
    inside = f"/proc/{host.daemon.pid}/root{path}"
    with open(f"{inside}/subnet.env", encoding="ascii") as file:
        before = file.read()
    assert "FLANNEL_MTU=1450" in before
    with open(f"{inside}/fill", "wb") as file:
        try:
            while True:
                os.write(file.fileno(), bytes(1024))
        except OSError:
            pass
    host.set_mtu(1400)
    host.wait_log("No space left on device")
    with open(f"{inside}/subnet.env", encoding="ascii") as file:
        assert file.read() == before
    wait_equal(lambda: kernel.device(host.netns, host.device)["mtu"], 1350, "the device follows")
    os.unlink(f"{inside}/fill")
    host.set_mtu(1300)

    def text():
        with open(f"{inside}/subnet.env", encoding="ascii") as file:
            return file.read()
    wait_equal(text, before.replace("1450", "1250"), "it is written again")
    assert sorted(os.listdir(inside)) == ["subnet.env"]


# --- EINTR

def test_signals_all_the_time_interrupt_nothing(world):
    world.config("10.0.0.0/8", SubnetLen=24)
    peers = world.crowd(300)
    host = world.host().start(ready=False)
    over = threading.Event()

    def disturb():
        while not over.is_set() and host.daemon.running():
            os.kill(host.daemon.pid, signal.SIGUSR1 if time.time() % 1 < 0.5 else signal.SIGHUP)
            time.sleep(0.0005)

    wait_until(lambda: "daemon: interface" in host.log(), "its handlers are there")
    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        host.wait_ready(timeout=20)
        host.wait_peers(*peers, timeout=30)
    finally:
        over.set()
        thread.join()
    more = world.crowd(310)[300:]
    host.wait_peers(*peers, *more, timeout=20)
