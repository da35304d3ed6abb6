"""What may come in as a backend (X1), and what happens if one fails."""

import errno
import json
import os
import pathlib
import re
import shutil

import pytest

from harness import kernel
from harness.build import BACKEND_DIR

from test_cli import flanneld

TOP = pathlib.Path(__file__).resolve().parents[2]
ERRORS = (-errno.EIO, -errno.ENOMEM, -77777, 1)


def refused(world, modules, kind, *flags, **members):
    """A host that has ended with code 4 because of its backend; nothing came of it."""
    world.config(Backend={"Type": kind, **members})
    host = world.host()
    host.start(modules.flag, *flags, ready=False)
    assert host.wait_exit() == 4, host.log()
    assert not os.path.exists(host.subnet_file)
    return host


def error_lines(host):
    return [line for line in host.log().splitlines() if re.search(r"Z ERR", line)]


# --- names


@pytest.mark.parametrize("kind, shown", [
    ("../../tmp/x", '"../../tmp/x"'),
    ("/tmp/x", '"/tmp/x"'),
    ("vxlan\0x", '"vxlan\\u0000x"'),
    ("v" * 4000, '"' + "v" * 70),
    ("VXLAN", '"VXLAN"'),
    ("vxlan.so", '"vxlan.so"'),
    ("-vxlan", '"-vxlan"'),
    ("vx\nlan\x1b[2J", '"vx\\u000alan\\u001b[2J"'),
    ("", '""'),
    (["vxlan"], '["vxlan"]'),
    (None, "null"),
])
def test_a_type_that_is_no_name_never_reaches_the_file_system(world, modules, kind, shown):
    world.config(Backend={"Type": kind})
    host = world.host().start(modules.flag, ready=False)
    host.wait_log("waiting for a better one")
    (line,) = error_lines(host)
    assert f"Backend.Type {shown}" in line and len(line) < 400
    assert host.daemon.running() and world.leases() == []
    world.config()
    host.wait_ready()


def test_a_type_that_is_not_there_is_answered_with_those_that_are(world, modules):
    host = refused(world, modules, "nosuch")
    there = ", ".join(sorted(path.stem for path in modules.path.glob("*.so")))
    assert f'no backend "nosuch" in {modules.path}; there are: {there}' in host.log()
    assert world.leases() == []


# --- files


def writable_by_others(modules):
    os.chmod(modules.odd("odd"), 0o646)


def writable_by_a_group(modules):
    os.chmod(modules.odd("odd"), 0o664)


def in_a_folder_that_a_group_may_write(modules):
    modules.odd("odd")
    os.chmod(modules.path, 0o775)


def of_another_user(modules):
    os.chown(modules.odd("odd"), 12345, 0)


def a_symlink_out_of_the_folder(modules):
    (modules.path / "sub").mkdir(mode=0o755)
    shutil.move(modules.odd("odd"), modules.path / "sub")
    (modules.path / "odd.so").symlink_to("sub/odd.so")


def of_another_abi(modules):
    modules.odd("odd", "-DODD_ABI=FL_BACKEND_ABI+1")


def without_the_symbol(modules):
    modules.odd("odd", "-DODD_SYMBOL=another_symbol")


def with_an_unresolved_symbol(modules):
    modules.odd("odd", "-DODD_UNDEFINED")


def with_unknown_flags(modules):
    modules.odd("odd", "-DODD_FLAGS=0x80000001u")


def with_half_a_table(modules):
    modules.odd("odd", "-DODD_NO_ROWS")


def with_half_a_pair(modules):
    modules.odd("odd", "-DODD_HALF")


def of_another_name(modules):
    modules.odd("another", file="odd")


def not_elf(modules):
    (modules.path / "odd.so").write_text("#!/bin/sh\ntouch /tmp/x\n", encoding="ascii")
    os.chmod(modules.path / "odd.so", 0o755)


def a_folder(modules):
    (modules.path / "odd.so").mkdir(mode=0o755)


BAD = {
    writable_by_others: "/odd.so has mode 0646, must not be writable by group or others",
    writable_by_a_group: "/odd.so has mode 0664, must not be writable by group or others",
    in_a_folder_that_a_group_may_write: " has mode 0775, must not be writable by group or others",
    of_another_user: "/odd.so belongs to user 12345, must belong to root",
    a_symlink_out_of_the_folder: "/sub/odd.so, out of its folder",
    of_another_abi: "/odd.so is built for backend ABI ",
    without_the_symbol: "it has no symbol fl_backend_ops",
    with_an_unresolved_symbol: "undefined symbol: fl_no_such_function",
    with_unknown_flags: "its table has unknown flags (0x80000000)",
    with_half_a_table: "its table lacks the member rows",
    with_half_a_pair: "its table lacks the member peer_del",
    of_another_name: '/odd.so calls itself "another", must be "odd"',
    not_elf: "/odd.so cannot be loaded: ",
    a_folder: "/odd.so is not a regular file",
}

bad_files = pytest.mark.parametrize(
    "make, reason", BAD.items(), ids=lambda value: getattr(value, "__name__", ""))


@bad_files
def test_a_file_that_is_refused_is_named_with_the_reason(world, modules, make, reason):
    make(modules)
    host = refused(world, modules, "odd")
    (line,) = error_lines(host)
    assert "backend odd: " in line and reason in line
    assert world.leases() == []


# --- --list-backends


def test_list_backends_prints_type_abi_description_file():
    done = flanneld("--list-backends", f"--backend-dir={BACKEND_DIR}")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == sorted(
        name[:-3] for name in os.listdir(BACKEND_DIR))
    for line in lines:
        kind = re.fullmatch(r"([a-z0-9-]+) +(\d+)  (\S.*)  \((/.*)\)", line)
        assert kind and kind[4] == f"{os.path.realpath(BACKEND_DIR)}/{kind[1]}.so"


@bad_files
def test_list_backends_shows_good_ones_beside_a_bad_one(modules, make, reason):
    good = flanneld("--list-backends", modules.flag).stdout
    make(modules)
    done = flanneld("--list-backends", modules.flag)
    assert done.returncode == 4
    if make is in_a_folder_that_a_group_may_write:
        assert done.stdout == ""
    else:
        assert done.stdout == good and done.stderr.count("\n") == 1
    assert re.search(rf"^odd: .*{re.escape(reason)}", done.stderr, re.M)


def test_list_backends_does_not_look_at_what_cannot_be_one(modules):
    good = flanneld("--list-backends", modules.flag).stdout
    for name in ("README", "UPPER.so", ".so", "a_b.so", "odd.so.1", "-odd.so"):
        (modules.path / name).write_text("", encoding="ascii")
    done = flanneld("--list-backends", modules.flag)
    assert (done.returncode, done.stdout, done.stderr) == (0, good, "")


def test_list_backends_of_an_empty_folder_is_nothing(tmp_path):
    done = flanneld("--list-backends", f"--backend-dir={tmp_path}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_list_backends_names_a_folder_that_is_not_there():
    done = flanneld("--list-backends", "--backend-dir=/nowhere")
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr == "/nowhere: No such file or directory\n"


# --- --check-config


def check_config(flag, **backend):
    config = {"Network": "10.3.0.0/16", "Backend": backend}
    return flanneld("--check-config", "-", flag, given=json.dumps(config))


def test_check_config_asks_the_backend():
    done = check_config(f"--backend-dir={BACKEND_DIR}", Type="vxlan", VNI=7, Port=0, GBP=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["Backend"]["VNI"] == 7


@pytest.mark.parametrize("key, value", [
    ("VNI", 0), ("VNI", 2**24), ("VNI", "1"), ("VNI", 1.5), ("VNI", True), ("VNI", {}),
    ("Port", -1), ("Port", 65536), ("Port", "8472"), ("MTU", 117), ("MTU", 65536),
    ("MTU", []), ("GBP", 1), ("Learning", "true"), ("DirectRouting", "yes")])
def test_check_config_refuses_what_the_backend_would_refuse(key, value):
    done = check_config(f"--backend-dir={BACKEND_DIR}", Type="vxlan", **{key: value})
    assert (done.returncode, done.stdout) == (1, "")
    said, verdict = done.stderr.splitlines()
    assert f"Backend.{key} is {json.dumps(value, separators=(',', ':'))}, must be " in said
    assert verdict == "-: backend vxlan refuses its part"


def test_check_config_warns_of_a_key_that_the_backend_does_not_know():
    done = check_config(f"--backend-dir={BACKEND_DIR}", Type="vxlan", Vlan=1)
    assert done.returncode == 0 and "unknown key Backend.Vlan" in done.stderr


def test_check_config_says_that_a_backend_is_not_installed(modules):
    done = check_config(modules.flag, Type="nosuch", Key=1)
    assert done.returncode == 0 and json.loads(done.stdout)["BackendType"] == "nosuch"
    assert done.stderr.startswith('-: Backend is not checked: no backend "nosuch" in ')
    assert done.stderr.count("\n") == 1


def test_check_config_takes_the_examples_of_the_manual():
    page = (TOP / "man/flannel-config.5").read_text(encoding="utf-8")
    examples = re.findall(r"^\.Bd -literal -offset indent\n(\{\n.*?^\})\n\.Ed$", page, re.M | re.S)
    assert len(examples) >= 5
    for example in examples:
        done = flanneld("--check-config", "-", f"--backend-dir={BACKEND_DIR}", given=example)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["BackendType"] == json.loads(example)["Backend"]["Type"]


@bad_files
def test_check_config_does_not_hide_a_backend_that_cannot_be_loaded(modules, make, reason):
    make(modules)
    done = check_config(modules.flag, Type="odd")
    assert (done.returncode, done.stdout) == (4, "")
    assert "Backend is not checked: " in done.stderr and reason in done.stderr


def test_check_config_takes_any_config_of_a_backend_without_check(modules):
    modules.odd("odd")
    done = check_config(modules.flag, Type="odd", Anything=[1])
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("error", ERRORS)
def test_check_config_knows_no_other_success_than_0(modules, error):
    modules.fails()
    done = check_config(modules.flag, Type="fails", Fail="check", Error=error)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"-: backend fails cannot check its part: check: {os.strerror(abs(error))}\n")


# --- a backend that fails in one of its calls: the sanitized build sees leaks of it, too



@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("call, said", [
    ("create", "backend fails cannot start: create: "),
    ("lease_data", "backend fails has no data for the lease: lease_data: "),
    ("lease_data later", "backend fails has no data for the lease: lease_data: "),
    ("up", "backend fails does not come up: up: "),
    ("up later", "backend fails does not come up: up: "),
    ("own_rows", "backend fails does not come up: own_rows: "),
])
def test_exit_4_names_the_backend_and_the_call(world, modules, call, said, error):
    modules.fails()
    host = refused(world, modules, "fails", Fail=call, Error=error)
    (line,) = error_lines(host)
    assert said + os.strerror(abs(error)) in line
    taken = call.startswith(("up", "own_rows"))
    assert len(world.leases()) == taken, "the lease is taken before up()"


def test_exit_4_if_create_refuses_the_config(world, modules):
    modules.fails()
    host = refused(world, modules, "fails", Fail=1)
    assert "Backend.Fail is 1, must be a string" in host.log()
    assert "backend fails refuses to start" in host.log()


def test_exit_4_if_the_mtu_is_too_little(world, modules):
    modules.fails()
    host = refused(world, modules, "fails", Fail="mtu")
    (line,) = error_lines(host)
    assert "eth0: its MTU is 1500, too little for backend fails" in line
    assert world.leases() == []


@pytest.mark.parametrize("unterminated, said", [
    (0, "lease_data: No space left on device"), (1, "lease_data: not JSON")])
def test_exit_4_if_the_data_for_the_lease_is_no_json(world, modules, unterminated, said):
    modules.fails()
    host = refused(world, modules, "fails", Fail="data", Error=unterminated)
    assert "backend fails" in host.log() and said in host.log()
    assert world.leases() == []


@pytest.mark.parametrize("call", ["lease_data later", "up later"])
def test_what_takes_a_while_is_waited_for(world, modules, call):
    modules.fails()
    world.config(Backend={"Type": "fails", "Fail": call, "Error": 0})
    host = world.host().start(modules.flag)
    assert host.lease()["value"]["BackendData"] == {}


@pytest.mark.parametrize("error", [0, -errno.EIO])
def test_an_end_of_what_is_not_under_way_is_ignored(world, modules, error):
    modules.fails()
    world.config(Backend={"Type": "fails", "Fail": "early", "Error": error})
    host = world.host().start(modules.flag)
    assert host.log().count("fl_env_continue() while nothing is under way") == 2
    assert host.log().count("ready: ") == 1


@pytest.mark.parametrize("call", ["lease_data", "up"])
def test_a_signal_ends_it_while_the_backend_is_busy(world, modules, call):
    modules.fails()
    world.config(Backend={"Type": "fails", "Fail": call, "Error": -errno.EINPROGRESS})
    host = world.host().start(modules.flag, ready=False)
    host.wait_log("network config: {")
    if call == "up":
        world.wait_leases(1)
    assert host.stop() == 0 and error_lines(host) == []


@pytest.mark.parametrize("members, said", [
    ({"Rows": "reject"}, "left out: the test says so"),
    ({"Rows": "wait"}, "not reached: the test says so; waiting for a route"),
    ({"Rows": "ignore"}, "ignored: the test says so"),
    *(({"Fail": "rows", "Error": error},
       f"left out: backend fails: rows: {os.strerror(abs(error))}") for error in ERRORS),
])
def test_a_peer_that_rows_refuses_is_said_once_and_harms_nobody(world, modules, members, said):
    modules.fails()
    world.config(Backend={"Type": "fails", **members})
    for third in (200, 201):
        world.put_lease(f"10.5.{third}.0/24", "192.168.200.1", "0a:00:00:00:00:01", "fails")
    host = world.host().start(modules.flag, "-v=1")
    for third in (200, 201):
        host.wait_log(f"10.5.{third}.0/24 of 192.168.200.1: {said}")
    assert host.log().count(said) == 2
    world.etcd.delete(world.key("10.5.200.0/24"))
    host.wait_log("10.5.200.0/24 is gone or changes")
    assert host.daemon.running() and error_lines(host) == []


def test_commands_of_the_config_need_the_operators_leave(world, modules):
    modules.odd("odd", "-DODD_FLAGS=FL_BACKEND_RUNS_COMMANDS")
    host = refused(world, modules, "odd")
    assert "backend odd runs commands from the network config, as root" in host.log()
    assert world.leases() == []
    world.host().start(modules.flag, "--allow-extension")


def test_a_lease_of_another_backend_is_ignored_and_counted(world, modules):
    modules.odd("odd")
    world.config(Backend={"Type": "odd"})
    world.peer(200)
    world.put_lease("10.5.201.0/24", "192.168.200.1", "0a:00:00:00:00:01", "odd")
    host = world.host().start(modules.flag, "-v=1")
    host.wait_log("10.5.200.0/24 of 192.168.200.200: ignored: its backend is vxlan, ours is odd")
    host.wait_log("2 leases of other hosts: 1 reached, 1 ignored or of another backend")
    assert kernel.device(host.netns, host.device) is None
