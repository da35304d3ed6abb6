"""A backend of a stranger: built against the installed header, installed, used."""

import json
import re

import pytest

from harness import kernel
from harness.build import BACKEND_DIR
from harness.modules import PLUGIN, PREFIX, compile_module, pkg_config
from harness.wait import wait_equal

from test_cli import flanneld


# --- pkg-config


def test_pkg_config_finds_the_installed_header():
    assert pkg_config("--cflags") == f"-I{PREFIX}/include"
    assert (PREFIX / "include/flanneld/backend.h").exists()
    assert pkg_config("--variable=backenddir") == BACKEND_DIR
    assert pkg_config("--modversion") == flanneld("--version").stdout.strip()


def test_the_abi_has_one_source():
    header = (PREFIX / "include/flanneld/backend.h").read_text(encoding="ascii")
    (defined,) = re.findall(r"^#define FL_BACKEND_ABI (\d+)u$", header, re.M)
    assert pkg_config("--variable=backend_abi") == defined
    listed = flanneld("--list-backends", f"--backend-dir={BACKEND_DIR}").stdout
    assert {line.split()[1] for line in listed.splitlines()} == {defined}


# --- compilers


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_it_is_strict_c11(compiler, tmp_path):
    compile_module(PLUGIN / "hello.c", tmp_path / "hello.so", compiler=compiler)


def test_its_makefile_has_two_lines_and_heeds_warnings(modules, tmp_path):
    assert len((PLUGIN / "Makefile").read_text(encoding="ascii").splitlines()) == 2
    modules.plugin(tmp_path / "build", "CFLAGS=-std=c11 -Wall -Wextra -Wpedantic -Werror")
    assert "hello" in flanneld("--list-backends", modules.flag).stdout


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_a_module_in_cxx17_is_taken_and_listed(modules, compiler):
    modules.cxx(compiler)
    done = flanneld("--list-backends", modules.flag)
    assert done.returncode == 0
    assert re.search(r"^cxx +\d+  a lease, from C\+\+  \(", done.stdout, re.M)


def test_a_module_in_cxx17_runs(world, modules):
    modules.cxx()
    world.config(Backend={"Type": "cxx"})
    host = world.host().start(modules.flag, "-v=1")
    assert "on eth0" in host.log()
    world.put_lease("10.5.200.0/24", "192.168.200.1", "0a:00:00:00:00:01", kind="cxx")
    host.wait_log("10.5.200.0/24 of 192.168.200.1: ignored: nothing is forwarded")
    assert host.lease()["value"] == {"PublicIP": host.address, "BackendType": "cxx"}


# --- hello


@pytest.fixture
def hello(world, modules, tmp_path):
    """The world's backend is the plugin."""
    modules.plugin(tmp_path / "build")
    world.config(Backend={"Type": "hello", "VNI": world.vni})
    return modules


def mac_of(address):
    return "02:68:" + ":".join(f"{int(part):02x}" for part in address.split("."))


def device_of(world):
    return f"hello.{world.vni}"


def test_hosts_ping_through_it(world, hello):
    hosts = [world.host().start(hello.flag) for _ in range(2)]
    here, there = (world.container(host) for host in hosts)
    here.reach(there)
    there.reach(here)
    assert here.mtu == 1450
    assert here.pings(there.address, "-M", "do", "-s", str(here.mtu - 28))


def test_its_rows_follow_the_leases(world, hello):
    device = device_of(world)
    host = world.host().start(hello.flag)
    other = world.host().start(hello.flag)
    expected = {other.subnet: (other.address, mac_of(other.address))}
    wait_equal(lambda: kernel.peers(host.netns, device), expected, "the rows of the peer")
    assert kernel.device(host.netns, device)["address"] == mac_of(host.address)
    assert host.lease()["value"]["BackendData"] == {"VNI": world.vni}
    subnet = other.subnet
    other.kill()
    world.etcd.delete(world.key(subnet))
    nothing = {"routes": {}, "neighbours": {}, "fdb": {}}
    wait_equal(lambda: kernel.rows(host.netns, device), nothing, "no rows are left")


def test_a_restart_adopts_its_device(world, hello):
    host = world.host().start(hello.flag)
    before = kernel.device(host.netns, device_of(world))["ifindex"]
    host.restart(hello.flag)
    assert kernel.device(host.netns, device_of(world))["ifindex"] == before
    assert "adopted" in host.log()


def test_a_device_with_a_foreign_mac_is_refused(world, hello):
    host = world.host().start(hello.flag)
    assert host.stop() == 0
    host.netns.batch(f"link set {device_of(world)} address 0a:00:00:00:00:01")
    host.start(hello.flag, ready=False)
    assert host.wait_exit() == 4 and "not the one that peers expect" in host.log()


@pytest.mark.parametrize("data", [None, {}, [], "VNI", {"VNI": None}, {"VNI": "1"}, {"VNI": 0}])
def test_what_others_have_written_is_checked(world, hello, data):
    host = world.host().start(hello.flag)
    value = {"PublicIP": "192.168.200.1", "BackendType": "hello", "BackendData": data}
    world.etcd.put(world.key("10.5.200.0/24"), json.dumps(value))
    host.wait_log(f"10.5.200.0/24 of 192.168.200.1: left out: its VNI is not {world.vni}")
    assert kernel.peers(host.netns, device_of(world)) == {}


def test_its_counters_are_shown_at_the_end(world, hello):
    host = world.host().start(hello.flag, "-v=1")
    value = {"PublicIP": "192.168.200.1", "BackendType": "hello",
             "BackendData": {"VNI": world.vni}}
    world.etcd.put(world.key("10.5.200.0/24"), json.dumps(value))
    host.wait_log("10.5.200.0/24 is reached")
    assert host.stop() == 0
    assert "appeared_peers: 1" in host.log()


@pytest.mark.parametrize("key, value", [
    ("VNI", 0), ("VNI", 2**24), ("VNI", "1"), ("Port", 65536), ("Port", [])])
def test_check_config_asks_it(hello, key, value):
    config = {"Network": "10.3.0.0/16", "Backend": {"Type": "hello", key: value}}
    done = flanneld("--check-config", "-", hello.flag, given=json.dumps(config))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"Backend.{key}" in done.stderr
