"""Basic auth, three ways to give the password, and none that shows it to anybody."""

import base64
import os

import pytest

from harness.netns import run
from harness.wait import wait_until

PASSWORD = "s3cret: of & all=things"


@pytest.fixture
def locked_world(own_world):
    own_world.config()
    own_world.etcd.require_user("root", PASSWORD)
    return own_world


def by_command_line(_folder):
    return (f"--etcd-password={PASSWORD}",), {}


def by_command_line_in_two_words(_folder):
    return ("-etcd-password", PASSWORD), {}


def by_file(folder):
    path = folder / "password"
    path.write_text(PASSWORD + "\n", encoding="utf-8")
    path.chmod(0o600)
    return (f"--etcd-password-file={path}",), {}


def by_environment(_folder):
    return (), {"FLANNELD_ETCD_PASSWORD": PASSWORD}


WAYS = [by_command_line, by_command_line_in_two_words, by_file, by_environment]


BASIC = base64.b64encode(f"root:{PASSWORD}".encode()).decode()


def assert_secret(host):
    """Neither to ps(1), which shows the environment too, nor in /proc, nor in the log."""
    shown = run("ps", "eww", "-o", "args=", "-p", str(host.daemon.pid)).stdout
    assert host.subnet_file in shown and "PATH=" in shown
    for text in (shown, host.log()):
        assert PASSWORD not in text and BASIC not in text
    for name in ("cmdline", "environ"):
        assert PASSWORD.encode() not in host.daemon.proc_file(name), name


@pytest.mark.parametrize("way", WAYS)
def test_a_password_opens_a_locked_etcd_and_is_shown_nowhere(locked_world, tmp_path, way):
    flags, env = way(tmp_path)
    host = locked_world.host().start("-v=9", "--etcd-username=root", *flags, env=env)
    host.wait_peers(locked_world.peer(200))
    assert_secret(host)
    assert host.stop() == 0
    assert "DEBUG" in host.log() and PASSWORD not in host.log()


@pytest.mark.parametrize("way", WAYS)
def test_a_wrong_password_is_said_and_shown_nowhere(locked_world, tmp_path, way):
    locked_world.etcd.request(
        "PUT", "/v2/auth/users/root", '{"user": "root", "password": "other"}')
    locked_world.etcd.credentials = ("root", "other")
    flags, env = way(tmp_path)
    host = locked_world.host().start(
        "-v=9", "--etcd-username=root", *flags, env=env, ready=False)
    host.wait_log("401")
    assert host.daemon.running()
    assert_secret(host)
    assert locked_world.leases() == []


def test_a_child_process_does_not_get_the_password(locked_world, tmp_path):
    """A fake iptables-save tells what it was given."""
    tool = tmp_path / "iptables-save"
    tool.write_text(f"#!/bin/sh\nenv >{tmp_path}/env\nexec /usr/sbin/iptables-save\n")
    tool.chmod(0o755)
    locked_world.host().start(
        "--etcd-username=root", "--ip-masq", "--no-sandbox",  # it writes where it likes
        env={"FLANNELD_ETCD_PASSWORD": PASSWORD, "MARK": "seen",
             "PATH": f"{tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin"})
    wait_until((tmp_path / "env").exists, "iptables-save was run")
    text = (tmp_path / "env").read_text()
    assert "MARK=seen" in text and "PASSWORD" not in text and PASSWORD not in text


# Who a process's files in /proc belong to tells whether it may be dumped: proc(5).
NOBODY = 65534
AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
             "--inh-caps=+net_admin,+net_raw", "--ambient-caps=+net_admin,+net_raw")


@pytest.mark.parametrize("env, owner", [({"FLANNELD_ETCD_PASSWORD": PASSWORD}, 0), ({}, NOBODY)])
def test_memory_with_a_password_goes_to_no_core_file(locked_world, env, owner):
    host = locked_world.host()
    os.chmod(locked_world.folder, 0o755)
    os.chown(host.folder, NOBODY, NOBODY)
    flags = ["--etcd-username=root"] if env else []
    host.start(*flags, env=env, wrapper=AS_NOBODY, ready=False)
    host.wait_log("interface eth0")
    assert host.daemon.running()
    assert os.stat(f"/proc/{host.daemon.pid}/environ").st_uid == owner


def test_a_password_file_that_all_can_read_draws_a_warning(locked_world, tmp_path):
    flags, _ = by_file(tmp_path)
    (tmp_path / "password").chmod(0o644)
    host = locked_world.host().start("--etcd-username=root", *flags)
    assert host.log().count("every user can read the password") == 1
