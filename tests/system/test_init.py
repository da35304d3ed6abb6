"""init/: the init script with the real start-stop-daemon, systemd's unit, what dockerd is told."""

import os
import re
import shlex
import signal
import subprocess

import pytest

from harness.build import BACKEND_DIR, FLANNELD
from harness.container import Container
from harness.netns import run
from harness.service import PIDFILE, ServiceMachine
from harness.trace import Trace
from harness.wait import holds, wait_until

SHARE = os.path.join(os.path.dirname(os.path.dirname(FLANNELD)), "share/flanneld")
OPTS_SCRIPT = os.path.join(
    os.path.dirname(os.path.dirname(FLANNELD)), "libexec/flanneld/mk-docker-opts.sh")


def installed(name):
    """As installed, with the path of the flanneld under test."""
    with open(f"{SHARE}/{name}", encoding="utf-8") as file:
        return file.read().replace("/usr/sbin/flanneld", FLANNELD)


@pytest.fixture
def machine(world):
    """With the init script in /etc/init.d, and its options in /etc/default."""
    made = world.keep(ServiceMachine(world))
    made.write("/etc/init.d/flanneld", installed("flanneld.init"), 0o755)
    configure(made)
    world.config()
    return made


def configure(machine, opts="--ip-masq", timeout="30s"):
    machine.write("/etc/default/flanneld", f"""
FLANNELD_ETCD_ENDPOINTS={machine.world.etcd.endpoint}
FLANNELD_ETCD_PREFIX={machine.world.prefix}
FLANNELD_BACKEND_DIR="{BACKEND_DIR}"
FLANNELD_READY_TIMEOUT={timeout}
DAEMON_OPTS="{opts}"
""")


def script(machine, action):
    """Exit code and output."""
    return machine.try_sh(f"exec /etc/init.d/flanneld {action}")


def done(machine, action):
    code, said = script(machine, action)
    assert code == 0, said
    return said


# --- the init script


def test_start_returns_when_subnet_env_is_there(machine):
    assert "Starting overlay network: flanneld." in done(machine, "start")
    assert "FLANNEL_IPMASQ=true" in machine.subnet_text(), "options of both kinds"
    pid = machine.pid
    done(machine, "start")
    assert machine.pid == pid, "a second start changes nothing"
    done(machine, "stop")
    assert machine.pid is None
    done(machine, "stop")


def test_status_has_the_codes_of_lsb(machine):
    code, said = script(machine, "status")
    assert code == 3 and "flanneld is not running" in said
    done(machine, "start")
    assert f"flanneld is running, process {machine.pid}" in done(machine, "status")
    machine.kill()
    code, said = script(machine, "status")
    assert code == 1 and f"{PIDFILE} exists" in said
    done(machine, "start")
    done(machine, "status")


def test_stop_waits_for_the_end(machine):
    done(machine, "start")
    machine.send(signal.SIGSTOP)
    stopping = machine.popen("/etc/init.d/flanneld", "stop", stdout=subprocess.DEVNULL)
    try:
        holds(lambda: stopping.poll() is None, "it waits", 1)
        machine.send(signal.SIGCONT)
        assert stopping.wait(10) == 0
    finally:
        stopping.kill()
        stopping.wait()
    assert machine.pid is None


def test_restart_keeps_the_traffic(machine):
    world = machine.world
    other = world.host().start()
    done(machine, "start")
    here, there = world.keep(Container(machine)), world.container(other)
    here.reach(there)
    stream = here.stream(there, 4)
    pid = machine.pid
    done(machine, "restart")
    done(machine, "force-reload")
    assert machine.pid != pid
    assert stream.running(), "the restarts took longer than the pings"
    assert stream.lost() == 0


def test_force_reload_takes_new_options(machine):
    done(machine, "start")
    configure(machine, opts="--ip-masq=false")
    done(machine, "force-reload")
    assert "FLANNEL_IPMASQ=false" in machine.subnet_text()


def test_reload_is_a_signal(machine):
    code, _ = script(machine, "reload")
    assert code != 0
    done(machine, "start")
    pid = machine.pid
    done(machine, "reload")
    machine.wait_syslog("SIGHUP")
    assert machine.pid == pid


def test_try_restart_starts_nothing(machine):
    done(machine, "try-restart")
    assert machine.pid is None
    done(machine, "start")
    pid = machine.pid
    done(machine, "try-restart")
    assert machine.pid not in (None, pid)


def test_nothing_is_started_without_a_config(machine):
    for text in ("", None):
        if text is None:
            machine.sh("rm /etc/default/flanneld")
        else:
            machine.write("/etc/default/flanneld", installed("flanneld.default"))
        assert "/etc/default/flanneld does not say where etcd is" in done(machine, "start")
        assert machine.pid is None


def test_a_start_that_fails_says_why(machine):
    configure(machine, opts="--iface=nosuch0")
    code, said = script(machine, "start")
    assert code != 0 and "nosuch0" in said and "failed!" in said
    code, said = script(machine, "bogus")
    assert code == 2 and "usage:" in said


def test_a_start_gives_up_waiting_but_not_the_daemon(machine):
    machine.world.etcd.delete(f"{machine.world.prefix}/config")
    configure(machine, timeout="1s")
    code, said = script(machine, "start")
    assert code != 0 and "not ready after 1 s" in said
    done(machine, "status")
    machine.world.config()
    wait_until(machine.subnet_text, "it is ready")


# --- systemd's unit

TUTORIAL = """[Unit]
Description=Flanneld overlay address etcd agent
After=network.target

[Service]
Type=notify
EnvironmentFile=-/etc/sysconfig/flanneld
ExecStart={flanneld} --iface eth0 --ip-masq $FLANNEL_ETCD $FLANNEL_ETCD_KEY \\
    $FLANNEL_ETCD_CAFILE ${{FLANNEL_ETCD_CERTFILE}} $FLANNEL_OPTIONS
Restart=on-failure

[Install]
WantedBy=multi-user.target
"""


@pytest.fixture
def unit(tmp_path):
    path = tmp_path / "flanneld.service"
    path.write_text(installed("flanneld.service"), encoding="utf-8")
    return str(path)


def settings(path):
    """Of the unit: name to the list of its values."""
    found = {}
    with open(path, encoding="utf-8") as file:
        for line in file.read().replace("\\\n", "").splitlines():
            name, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                found.setdefault(name, []).append(value)
    return found


def test_systemd_finds_nothing_wrong_with_the_unit(unit):
    done_well = run("systemd-analyze", "verify", "--man=no", unit)
    assert done_well.stdout + done_well.stderr == ""


def test_the_unit_is_exposed_to_little(unit):
    """systemd's own measure, from 0 (safe) to 10; shown by pytest -rP."""
    shown = run("systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=30",
                unit).stdout
    print(shown)
    assert float(re.search(r"exposure level for flanneld.service: ([\d.]+)", shown)[1]) <= 3.0


def filtered_syscalls(unit):
    """What the unit lets pass, by systemd's own groups."""
    groups, allowed = {}, set()
    for line in run("systemd-analyze", "syscall-filter", "--no-pager").stdout.splitlines():
        if line.startswith("@"):
            group = groups.setdefault(line, [])
        elif line.strip() and not line.strip().startswith("#"):
            group.append(line.strip())

    def members(name):
        for member in groups[name]:
            yield from members(member) if member.startswith("@") else [member]
    for value in settings(unit)["SystemCallFilter"]:
        for name in value.lstrip("~").split():
            (allowed.difference_update if value.startswith("~") else allowed.update)(
                members(name) if name.startswith("@") else [name])
    return allowed


@pytest.mark.parametrize("kind", ["vxlan", "host-gw", "udp"])
def test_all_that_it_calls_passes_the_filter_of_the_unit(world, folder, unit, kind):
    world.config(Backend={"Type": kind} | ({"VNI": world.vni} if kind == "vxlan" else {}))
    trace = Trace(f"{folder}/trace", calls="all")
    host = world.host().start("--ip-masq", wrapper=trace.wrapper, env=trace.env)
    host.netns.run("iptables", "-t", "nat", "-S")
    assert host.stop() == 0
    called = set(re.findall(r"^\d+ +(?:[\d:.]+ )?(\w+)\(", "\n".join(trace.ended()), re.MULTILINE))
    assert {"bind", "sendmsg", "renameat", "rename"} & called, "the trace was read"
    assert called - filtered_syscalls(unit) == set()


@pytest.mark.parametrize("kind", ["vxlan", "udp"])
def test_it_works_with_what_the_unit_leaves_it(world, unit, kind):
    """Capabilities, no way to others, and a file system that is read-only but for what is named."""
    caps = ",".join(["-all", *(f"+{cap.removeprefix('CAP_').lower()}" for value in
                               settings(unit)["CapabilityBoundingSet"] for cap in value.split())])
    writable = " ".join(settings(unit)["ReadWritePaths"])
    world.config(Backend={"Type": kind} | ({"VNI": world.vni} if kind == "vxlan" else {}))
    host = world.keep(ServiceMachine(world))
    host.sh(f"for path in {writable} {host.folder}; do mount --bind $path $path; done\n"
            "mount -o remount,bind,ro /")
    peer = world.peer(200, mac=None) if kind == "vxlan" else None
    code, said = host.try_sh(
        f"! touch /usr/x 2>/dev/null && exec setpriv --no-new-privs --bounding-set={caps} "
        f"flanneld --daemon --pidfile={PIDFILE} --ip-masq {host.flags}")
    assert code == 0, said
    assert "FLANNEL_IPMASQ=true" in host.subnet_text()
    assert "flanneld masq" in host.sh("iptables -t nat -S")
    if peer:
        wait_until(lambda: peer.subnet in host.sh("ip route"), "the route stands")
    assert not [line for line in host.syslog() if line.startswith(("<27>", "<28>"))]


@pytest.mark.parametrize("environment, starts", [
    ({}, False), ({"FLANNELD_ETCD_ENDPOINTS": ""}, False), ({"DAEMON_OPTS": "--ip-masq"}, True),
    ({"FLANNELD_STORE": "file:///etc/flanneld/network.json"}, True),
    ({"FLANNELD_ETCD_ENDPOINTS": "http://192.0.2.1:2379"}, True)])
def test_the_unit_starts_nothing_without_a_config(unit, environment, starts):
    condition = shlex.split(settings(unit)["ExecCondition"][0].replace("$$", "$"))
    assert (subprocess.run(condition, env=environment, check=False).returncode == 0) == starts


def test_the_unit_of_the_tutorial_works(world, tmp_path):
    """Words as systemd makes them: $NAME alone is none where nothing is set, ${NAME} an empty one."""
    path = tmp_path / "tutorial.service"
    path.write_text(TUTORIAL.format(flanneld=FLANNELD), encoding="utf-8")
    assert run("systemd-analyze", "verify", "--man=no", str(path)).stderr == ""
    world.config()
    host = world.host()
    values = {"FLANNEL_ETCD": f"-etcd-endpoints={world.etcd.endpoint}",
              "FLANNEL_ETCD_KEY": f"-etcd-prefix={world.prefix}",
              "FLANNEL_OPTIONS": f"-subnet-file={host.subnet_file} -backend-dir={BACKEND_DIR}"}
    words = []
    for word in settings(path)["ExecStart"][0].split()[1:]:
        name = word.strip("${}")
        if word.startswith("${"):
            words.append(values.get(name, ""))
        else:
            words += values.get(name, "").split() if word.startswith("$") else [word]
    assert "" in words
    host.begin(words)
    host.wait_ready()
    assert host.subnet_env()["FLANNEL_IPMASQ"] == "true"


def test_the_watchdog_hears_that_the_loop_turns(world):
    world.config()
    host = world.host().start(env={"WATCHDOG_USEC": "200000"})
    wait_until(lambda: host.notify.poll().count("WATCHDOG=1") >= 5, "it is heard again and again")
    plain = world.host().start()
    plain.wait_peers(host)
    assert "WATCHDOG=1" not in plain.notify.poll()


def test_systemd_hears_of_a_reload_and_its_end(world):
    world.config()
    host = world.host().start()
    heard = len(host.notify.poll())
    host.daemon.send(signal.SIGHUP)
    wait_until(lambda: "READY=1" in host.notify.poll()[heard:], "the reload is over")
    words = host.notify.poll()[heard:]
    assert words[0] == "RELOADING=1" and re.fullmatch(r"MONOTONIC_USEC=\d+", words[1])


def test_systemd_is_told_to_have_patience(world):
    host = world.host().start(ready=False)
    wait_until(lambda: any(m.startswith("EXTEND_TIMEOUT_USEC=") for m in host.notify.poll()),
               "it asks for time")
    host.daemon.send(signal.SIGHUP)
    host.wait_log("SIGHUP")
    assert "READY=1" not in host.notify.poll(), "a reload before it is ready"


# --- what dockerd is told


@pytest.fixture
def subnet_env(tmp_path):
    path = tmp_path / "subnet.env"
    path.write_text("FLANNEL_NETWORK=10.5.0.0/16\nFLANNEL_SUBNET=10.5.52.1/24\n"
                    "FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n", encoding="ascii")
    return path


def docker_opts(tmp_path, *flags, env=None, check=True):
    target = tmp_path / "docker_opts.env"
    ended = run(OPTS_SCRIPT, "-f", str(tmp_path / "subnet.env"), "-d", str(target), *flags,
                env={"PATH": os.environ["PATH"], **(env or {})}, check=check)
    assert os.listdir(tmp_path).count("docker_opts.env") == len(
        [name for name in os.listdir(tmp_path) if name.startswith("docker_opts.env")])
    if ended.returncode:
        return ended.stderr
    return target.read_text(encoding="ascii").splitlines()


SINGLE = ['DOCKER_OPT_BIP="--bip=10.5.52.1/24"', 'DOCKER_OPT_IPMASQ="--ip-masq=false"',
          'DOCKER_OPT_MTU="--mtu=1450"']
COMBINED = '"--bip=10.5.52.1/24 --ip-masq=false --mtu=1450"'


def test_dockers_options_are_written_one_by_one_and_all_together(tmp_path, subnet_env):
    assert subnet_env.exists()
    assert docker_opts(tmp_path) == [*SINGLE, f"DOCKER_OPTS={COMBINED}"]
    assert docker_opts(tmp_path, "-i", "-c") == [*SINGLE, f"DOCKER_OPTS={COMBINED}"]
    assert docker_opts(tmp_path, "-i") == SINGLE
    assert docker_opts(tmp_path, "-c") == [f"DOCKER_OPTS={COMBINED}"]
    assert docker_opts(tmp_path, "-c", "-k", "OPTIONS") == [f"OPTIONS={COMBINED}"]
    assert docker_opts(tmp_path, "-m", "-i") == [SINGLE[0], SINGLE[2]]


def test_dockers_options_of_others_come_along(tmp_path, subnet_env):
    assert subnet_env.exists()
    assert docker_opts(tmp_path, "-c", env={"DOCKER_OPTS": "--debug"}) == [
        f'DOCKER_OPTS="--debug {COMBINED[1:]}']
    assert 'DOCKER_OPT_X="--x y"' in docker_opts(tmp_path, "-i", env={"DOCKER_OPT_X": "--x y"})


def test_docker_masquerades_where_flanneld_does_not(tmp_path, subnet_env):
    subnet_env.write_text(subnet_env.read_text().replace("true", "false"))
    assert 'DOCKER_OPT_IPMASQ="--ip-masq=true"' in docker_opts(tmp_path)


def test_dockers_options_are_not_written_from_nonsense(tmp_path, subnet_env):
    good = subnet_env.read_text()
    for old, new, words in (("10.5.52.1/24", "$(touch x)", "FLANNEL_SUBNET"),
                            ("1450", "1450;id", "FLANNEL_MTU"), ("true", "maybe", "FLANNEL_IPMASQ"),
                            ("FLANNEL_SUBNET", "NOTHING", "no FLANNEL_SUBNET")):
        subnet_env.write_text(good.replace(old, new))
        assert words in docker_opts(tmp_path, check=False)
        assert os.listdir(tmp_path) == ["subnet.env"]
    subnet_env.unlink()
    assert "is flanneld running" in docker_opts(tmp_path, check=False)
    assert SINGLE[0] in docker_opts(tmp_path, env={"FLANNEL_SUBNET": "10.5.52.1/24"})
    assert "usage:" in docker_opts(tmp_path, "-z", check=False)
    assert "name of a variable" in docker_opts(tmp_path, "-k", "a b", check=False)


# --- OpenRC

OPENRC = "/var/lib/flanneld-tests/openrc"  # tests/setup unpacks it


@pytest.fixture
def openrc(world):
    """A machine that OpenRC has started, as far as its services can tell."""
    made = world.keep(ServiceMachine(world))
    made.sh(f"mount -t overlay overlay -o lowerdir={OPENRC}/usr:/usr /usr\n"
            "cd /run; mkdir -p openrc /etc/conf.d; cd openrc\n"
            "mkdir starting started stopping inactive wasinactive failed hotplugged daemons \\\n"
            "options exclusive scheduled init.d tmp; touch softlevel /etc/rc.conf")
    made.write("/etc/init.d/flanneld", installed("flanneld.openrc"), 0o755)
    configure(made)
    made.sh("mv /etc/default/flanneld /etc/conf.d/flanneld")
    world.config()
    return made


def service(machine, action):
    return machine.try_sh(f"exec rc-service --nodeps flanneld {action}")


def test_openrc_starts_reloads_and_stops_it(openrc):
    code, said = service(openrc, "start")
    assert code == 0, said
    assert "FLANNEL_IPMASQ=true" in openrc.subnet_text(), "options of both kinds"
    pid = openrc.pid
    code, said = service(openrc, "status")
    assert code == 0 and "started" in said
    code, said = service(openrc, "reload")
    assert code == 0, said
    openrc.wait_syslog("SIGHUP")
    code, said = service(openrc, "restart")
    assert code == 0 and openrc.pid not in (None, pid), said
    code, said = service(openrc, "stop")
    assert code == 0 and openrc.pid is None, said
    code, said = service(openrc, "status")
    assert code == 3 and "stopped" in said


def test_openrc_starts_nothing_without_a_config(openrc):
    openrc.write("/etc/conf.d/flanneld", installed("flanneld.default"))
    code, said = service(openrc, "start")
    assert code != 0 and "/etc/conf.d/flanneld does not say where etcd is" in said
    assert openrc.pid is None


def test_openrc_hears_that_a_start_fails(openrc):
    openrc.sh("echo 'DAEMON_OPTS=--iface=nosuch0' >>/etc/conf.d/flanneld")
    code, said = service(openrc, "start")
    assert code != 0 and "nosuch0" in said
    code, _ = service(openrc, "status")
    assert code == 3
