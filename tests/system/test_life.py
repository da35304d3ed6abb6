"""Start, restart, kill: exit codes, and traffic that does not notice."""

import json
import os
import stat
import tempfile

import pytest

from harness import kernel
from harness.build import BACKEND_DIR


def test_no_packet_is_lost_over_stop_and_start_of_both_ends(world):
    world.config()
    hosts = world.joined(2, "--ip-masq")
    here, there = (world.container(host) for host in hosts)
    here.reach(there)
    stream = here.stream(there, 3)
    for host in hosts:
        host.restart("--ip-masq")
    assert stream.running(), "the restarts took longer than the pings"
    assert stream.lost() == 0
    hosts[0].wait_peers(hosts[1])


def test_no_packet_is_lost_over_kill(world):
    world.config()
    hosts = world.joined(2)
    here, there = (world.container(host) for host in hosts)
    here.reach(there)
    stream = here.stream(there, 3)
    for host in hosts:
        host.kill()
        host.start()
    assert stream.running(), "the restarts took longer than the pings"
    assert stream.lost() == 0
    hosts[0].wait_peers(hosts[1])


def test_ready_comes_after_subnet_env(world):
    world.config()
    host = world.host().start(ready=False)
    host.wait_ready()
    assert os.path.exists(host.subnet_file)
    assert any(m.startswith("STATUS=") and host.subnet in m for m in host.notify.poll())


def test_the_log_is_plain_lines_with_time_and_level(world):
    world.config()
    host = world.host().start()
    assert "\x1b" not in host.log()
    for line in host.log().splitlines():
        stamp, level = line.split()[:2]
        assert stamp.endswith("Z") and level in ("ERROR", "ERR", "WARN", "INFO", "DEBUG")


def test_the_log_is_json_if_asked_for(world):
    world.config()
    host = world.host().start("--log-format=json", "-v=1")
    for line in host.log().splitlines():
        assert {"time", "level", "msg"} <= set(json.loads(line))


def test_the_environment_sets_options_and_the_command_line_wins(world):
    world.config()
    host = world.host()
    other = f"{host.folder}/other.env"
    host.start(f"--subnet-file={other}",
               env={"FLANNELD_SUBNET_FILE": "/nowhere", "FLANNELD_IP_MASQ": "true"})
    with open(other, encoding="ascii") as file:
        assert "FLANNEL_IPMASQ=true" in file.read()


# --- exit codes of flanneld(8)


def failed(world, *flags, **options):
    host = world.host()
    host.start(*flags, ready=False, **options)
    return host, host.wait_exit()


def test_exit_3_without_an_interface(world):
    world.config()
    host = world.host(plug=False)
    host.start(ready=False)
    assert host.wait_exit() == 3
    host, code = failed(world, "--iface=nosuch0")
    assert code == 3 and "nosuch0" in host.log()


def test_exit_4_for_a_backend_that_is_not_there(world):
    world.config(Backend={"Type": "nosuch"})
    host, code = failed(world)
    assert code == 4 and "nosuch" in host.log()
    assert world.leases() == []


def test_a_backend_type_that_is_no_name_is_refused_and_waited_out(world):
    for evil in ("../vxlan", "/tmp/x", "vx lan"):
        world.config(Backend={"Type": evil})
        host = world.host().start(ready=False)
        host.wait_log("Type")
        assert host.daemon.running()
    assert world.leases() == []


def test_exit_4_for_a_config_the_backend_refuses(world):
    for vni in (-1, 2**24, "one"):
        world.config(Backend={"Type": "vxlan", "VNI": vni})
        host, code = failed(world)
        assert code == 4 and "VNI" in host.log()


def test_exit_4_for_a_module_that_others_may_write(world):
    world.config()
    with tempfile.TemporaryDirectory(dir="/var/lib") as folder:
        os.chmod(folder, 0o755)
        module = f"{folder}/vxlan.so"
        with open(f"{BACKEND_DIR}/vxlan.so", "rb") as source, open(module, "wb") as target:
            target.write(source.read())
        os.chmod(module, 0o666)
        host, code = failed(world, f"--backend-dir={folder}")
        assert code == 4 and folder in host.log()
        os.chmod(module, 0o644)
        os.chmod(folder, 0o777)
        _, code = failed(world, f"--backend-dir={folder}")
        assert code == 4
        os.chmod(folder, 0o755)
        world.host().start(f"--backend-dir={folder}")


def test_exit_4_if_the_device_is_of_another_kind(world):
    world.config()
    host = world.host()
    host.netns.batch(f"link add {host.device} type bridge")
    host.start(ready=False)
    assert host.wait_exit() == 4
    assert host.device in host.log()
    assert kernel.device(host.netns, host.device)["linkinfo"]["info_kind"] == "bridge"
    assert world.leases() == []


def test_exit_7_before_the_lease_for_a_subnet_file_that_is_no_file(world):
    world.config()
    fifo, folder = f"{world.folder}/fifo", f"{world.folder}/folder"
    os.mkfifo(fifo)
    os.mkdir(folder)
    for path in (fifo, folder, "/dev/null", f"{fifo}/subnet.env"):
        host, code = failed(world, f"--subnet-file={path}")
        assert code == 7 and path in host.log()
    assert world.leases() == []
    assert stat.S_ISFIFO(os.stat(fifo).st_mode)


def test_a_symlink_is_replaced_by_subnet_env(world):
    world.config()
    host = world.host()
    target = f"{host.folder}/target"
    os.makedirs(os.path.dirname(host.subnet_file))
    os.mkdir(target)
    os.symlink(target, host.subnet_file)
    host.start()
    assert not os.path.islink(host.subnet_file)
    assert host.subnet_env()["FLANNEL_NETWORK"] == "10.5.0.0/16"
    assert os.listdir(target) == []


def test_exit_7_if_subnet_env_cannot_be_written(world):
    world.config()
    host, code = failed(world, "--subnet-file=/proc/nowhere/subnet.env")
    assert code == 7 and "/proc/nowhere/subnet.env" in host.log()
