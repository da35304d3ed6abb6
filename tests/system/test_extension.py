"""The extension backend: commands of the network config, and data of others that never become one."""

import json
import os
import signal
import socket
import subprocess
import threading

import pytest

from harness.build import BACKEND_DIR, FLANNELD, environment
from harness.wait import holds, wait_equal, wait_until

ALLOW = "--allow-extension"

# The two configs that follow are those of flannel's own documentation, word for word: Documentation/
# extension.md of github.com/flannel-io/flannel, Copyright the flannel authors, Apache License 2.0.
HOST_GW = r"""{
  "Network": "10.0.0.0/16",
  "Backend": {
    "Type": "extension",
    "SubnetAddCommand": "ip route add \"$SUBNET\" via \"$PUBLIC_IP\"",
    "SubnetRemoveCommand": "ip route del \"$SUBNET\" via \"$PUBLIC_IP\""
  }
}"""
VXLAN = r"""{
  "Network": "10.50.0.0/16",
  "Backend": {
    "Type": "extension",
    "PreStartupCommand": "export VNI=1; export IF_NAME=flannel-vxlan; ip link del \"$IF_NAME\" 2>/dev/null; ip link add \"$IF_NAME\" type vxlan id \"$VNI\" dstport 8472 && cat \"/sys/class/net/${IF_NAME}/address\"",
    "PostStartupCommand": "export IF_NAME=flannel-vxlan; export SUBNET_IP=$(echo \"$SUBNET\" | cut -d'/' -f 1); ip addr add \"${SUBNET_IP}/32\" dev \"$IF_NAME\" && ip link set \"$IF_NAME\" up",
    "SubnetAddCommand": "export SUBNET_IP=$(echo \"$SUBNET\" | cut -d'/' -f 1); export IF_NAME=flannel-vxlan; read VTEP; ip route add \"$SUBNET\" nexthop via \"$SUBNET_IP\" dev \"$IF_NAME\" onlink && ip neigh replace \"$SUBNET_IP\" dev \"$IF_NAME\" lladdr \"$VTEP\" && bridge fdb add \"$VTEP\" dev \"$IF_NAME\" self dst \"$PUBLIC_IP\""
  }
}"""

ROUTES = {  # the same as HOST_GW, but it may be repeated
    "SubnetAddCommand": ["ip", "route", "replace", "$SUBNET", "via", "$PUBLIC_IP"],
    "SubnetRemoveCommand": ["ip", "route", "del", "$SUBNET", "via", "$PUBLIC_IP"],
}


# --- helpers


class Commands:
    """A world whose commands leave their traces in a folder."""

    def __init__(self, world):
        self.world = world
        self.folder = f"{world.folder}/traces"
        os.mkdir(self.folder)

    def config(self, **backend):
        self.world.config(Backend={"Type": "extension", **backend})

    def path(self, name):
        return f"{self.folder}/{name}"

    def lines(self, name="seen"):
        if not os.path.exists(self.path(name)):
            return []
        with open(self.path(name), encoding="utf-8") as file:
            return file.read().splitlines()

    def recording(self, **more):
        """Each run of a peer's command is a line: which, SUBNET, PUBLIC_IP, standard input."""
        script = f'read -r DATA; echo "{{}} $SUBNET $PUBLIC_IP $DATA" >>{self.path("seen")}'
        self.config(SubnetAddCommand=script.format("add"),
                    SubnetRemoveCommand=script.format("del"), **more)

    def put(self, third, data="x", address=None):
        value = {"PublicIP": address or f"192.168.200.{third}", "BackendType": "extension",
                 "BackendData": data}
        self.world.etcd.put(self.world.key(f"10.5.{third}.0/24"), json.dumps(value))

    def drop(self, third):
        self.world.etcd.delete(self.world.key(f"10.5.{third}.0/24"))

    def wait_lines(self, *expected, name="seen"):
        wait_equal(lambda: self.lines(name), list(expected), "the commands that have run")


@pytest.fixture
def commands(world):
    return Commands(world)


def processes(word):
    """Process ids of those whose command line has this word, zombies left out."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if word.encode() in file.read().split(b"\0"):
                    found.append(int(pid))
        except OSError:
            continue
    return found


def children_of(parent):
    found = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True,
                           timeout=10, check=False)
    return found.stdout.split()


def wait_gone(word):
    wait_until(lambda: not processes(word), f"no process with {word} is left")


def failed(world, *flags):
    host = world.host()
    host.start(ALLOW, *flags, ready=False)
    return host, host.wait_exit(20)


def route(host, other):
    """Where the host's route to the other's subnet leads to."""
    found = host.netns.json(f"ip route show {other.subnet}")
    return found[0]["gateway"] if found else None


def three_hosts(world, config, wrapper=lambda host: ()):
    """They have joined, with a container on each, and ping reaches all from all."""
    world.etcd.put(f"{world.prefix}/config", config)
    hosts = [world.host() for _ in range(3)]
    for host in hosts:
        host.start(ALLOW, ready=False, wrapper=wrapper(host))
    for host in hosts:
        host.wait_ready()
    containers = [world.container(host) for host in hosts]
    for here in containers:
        for there in containers:
            here.reach(there)
    return hosts, containers


def transfer(source, target, size=100_000_000):
    """Bytes of a TCP stream between two containers that have arrived."""
    with target.netns.entered():
        server = socket.create_server(("0.0.0.0", 0))
    with source.netns.entered():
        client = socket.create_connection((target.address, server.getsockname()[1]), timeout=30)
    receiver, _ = server.accept()
    receiver.settimeout(30)

    def send():
        client.sendall(bytes(size))
        client.close()

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    arrived = 0
    while piece := receiver.recv(1 << 20):
        arrived += len(piece)
    thread.join(30)
    receiver.close()
    server.close()
    return arrived


# --- flannel's own examples


def test_the_documented_host_gw_example_works_unchanged(world):
    hosts, containers = three_hosts(world, HOST_GW)
    assert transfer(containers[0], containers[2]) == 100_000_000
    for host in hosts:
        for other in hosts:
            assert other is host or route(host, other) == other.address
        assert "run without a shell" in host.log() and "by /bin/sh" not in host.log()
        assert "BackendData" not in host.lease()["value"]
    hosts[0].restart(ALLOW)  # its routes are there already, so its commands fail
    hosts[0].wait_log("SubnetAddCommand: exit status 2: RTNETLINK answers: File exists; retrying")
    containers[0].reach(containers[1])


def test_the_documented_vxlan_example_works_unchanged(world):
    hosts, containers = three_hosts(
        world, VXLAN, wrapper=lambda host: ("ip", "netns", "exec", host.netns.name))
    assert transfer(containers[0], containers[2]) == 100_000_000
    for host in hosts:
        device = host.netns.json("ip link show dev flannel-vxlan")[0]
        assert host.lease()["value"]["BackendData"] == device["address"]
        assert "by /bin/sh" in host.log() and "without a shell" not in host.log()


def test_no_packet_is_lost_over_a_restart(world):
    config = {"Network": "10.5.0.0/16", "Backend": {"Type": "extension", **ROUTES}}
    hosts, containers = three_hosts(world, json.dumps(config))
    stream = containers[0].stream(containers[1], 4)
    for host in hosts[:2]:
        host.restart(ALLOW)
    assert stream.running(), "the restarts took longer than the pings"
    assert stream.lost() == 0
    for host in hosts:
        assert "WARN" not in host.log() and "ERROR" not in host.log()


def test_a_peer_that_leaves_is_removed(world):
    hosts, _ = three_hosts(world, HOST_GW)
    subnet = hosts[2].subnet
    assert hosts[2].stop() == 0
    world.etcd.delete(world.key(subnet))
    for host in hosts[:2]:
        wait_until(lambda host=host: not host.netns.json(f"ip route show {subnet}"),
                   f"the route to {subnet} is gone")
        assert route(host, hosts[1 - hosts.index(host)])


# --- it has to be allowed, and its config has to be right


def test_exit_4_unless_allowed(commands):
    commands.config(PreStartupCommand=f"touch {commands.path('ran')}")
    host = commands.world.host().start(ready=False)
    assert host.wait_exit() == 4
    assert "--allow-extension" in host.log()
    assert not os.path.exists(commands.path("ran"))
    assert commands.world.leases() == []


KEYS = ("PreStartupCommand", "PostStartupCommand", "SubnetAddCommand", "SubnetRemoveCommand")
WRONG = [(key, value) for key in KEYS
         for value in (1, True, {}, [], [1], [""], ["a", None], "a 'b", "'' b", "a\0b")]
WRONG += [("CommandTimeout", value) for value in ("30", 0, 3601, 1.5, True, [])]


@pytest.mark.parametrize("key, value", WRONG)
def test_a_wrong_value_is_refused_by_its_key(key, value):
    config = {"Network": "10.5.0.0/16", "Backend": {"Type": "extension", key: value}}
    done = subprocess.run(
        [FLANNELD, f"--backend-dir={BACKEND_DIR}", "--check-config", "-"],
        input=json.dumps(config), capture_output=True, text=True, timeout=20, check=False,
        env=environment())
    assert (done.returncode, done.stdout) == (1, "")
    assert f"Backend.{key} is " in done.stderr and "must be" in done.stderr


def test_exit_4_for_a_config_that_is_refused(commands):
    commands.config(SubnetRemoveCommand=7)
    host, code = failed(commands.world)
    assert code == 4 and "Backend.SubnetRemoveCommand is 7" in host.log()


# --- the start


def test_the_startup_commands_run_around_the_lease(commands):
    seen = commands.path("seen")
    commands.config(
        PreStartupCommand=f'echo "pre [$SUBNET] $NETWORK $PUBLIC_IP" >>{seen}; echo "  da \\"ta "',
        PostStartupCommand=f'read A; echo "post $NETWORK $SUBNET $PUBLIC_IP [$A]" >>{seen}; '
                           "echo said; echo complained >&2")
    host = commands.world.host().start(ALLOW)
    network, address = "10.5.0.0/16", host.address
    assert commands.lines() == [
        f"pre [] {network} {address}", f"post {network} {host.subnet} {address} []"]
    assert host.lease()["value"]["BackendData"] == 'da "ta'
    for word in ("said", "complained"):
        assert f"{host.subnet}: PostStartupCommand: {word}\n" in host.log()


def test_output_of_nothing_is_the_empty_string(commands):
    commands.config(PreStartupCommand="true")
    host = commands.world.host().start(ALLOW)
    assert host.lease()["value"]["BackendData"] == ""


def test_commands_get_all_variables_and_nothing_of_flanneld(commands):
    commands.config(**{key: f"env >{commands.path(key)}" for key in KEYS})
    host = commands.world.host().start(
        ALLOW, env={"FLANNELD_LOG_FORMAT": "text", "WATCHDOG_USEC": "1", "IPV6SUBNET": "evil",
                    "SUBNET": "evil", "KEPT": "yes"})
    commands.put(200)
    wait_until(lambda: commands.lines("SubnetAddCommand"), "it is added")
    commands.drop(200)
    wait_until(lambda: commands.lines("SubnetRemoveCommand"), "it is removed")
    subnets = dict(zip(KEYS, ("", host.subnet, "10.5.200.0/24", "10.5.200.0/24")))
    for key in KEYS:
        env = dict(line.partition("=")[::2] for line in commands.lines(key))
        assert env["SUBNET"] == subnets[key]
        assert env["NETWORK"] == "10.5.0.0/16" and env["KEPT"] == "yes"
        assert env["IPV6SUBNET"] == env["PUBLIC_IPV6"] == ""
        assert env["PUBLIC_IP"] == (host.address if "Startup" in key else "192.168.200.200")
        assert not [n for n in env if n.startswith(("FLANNELD_", "NOTIFY_SOCKET", "WATCHDOG_"))]


FAILURES = [
    ("no-such-program-of-flanneld x", "No such file or directory"),
    ("/etc/passwd", "Permission denied"),
    ("echo first >&2; echo because of this >&2; exit 3", "exit status 3: because of this"),
    ("kill -9 $$", "signal 9"),
    ("sleep 1000", "has not ended within 1 s"),
    ("yes", "output is too long"),
]
UNFIT = [
    ("printf 'a\\nb'", "control characters"),
    ("printf 'a\\000b'", "control characters"),
    ("printf 'a\\302\\205b'", "control characters"),
    ("printf 'a\\377'", "not UTF-8"),
    ("printf %01030d 0", "longer than BackendData may be"),
]
STARTUP = [("PreStartupCommand", *case) for case in FAILURES + UNFIT]
STARTUP += [("PostStartupCommand", *case) for case in FAILURES]


@pytest.mark.parametrize("key, command, reason", STARTUP)
def test_exit_4_for_a_startup_command_that_fails(commands, key, command, reason):
    commands.config(**{key: command, "CommandTimeout": 1 if command == "sleep 1000" else 30})
    host, code = failed(commands.world)
    assert code == 4
    errors = [line for line in host.log().splitlines() if " ERROR " in line]
    assert any(f"{key}: " in line and reason in line for line in errors), host.log()
    assert "READY=1" not in host.notify.poll()
    assert bool(commands.world.leases()) == (key == "PostStartupCommand")


# --- peers


def test_peers_come_change_and_go(commands):
    commands.put(200, "one")
    commands.put(201, None)
    commands.recording()
    host = commands.world.host().start(ALLOW)
    wait_equal(lambda: sorted(commands.lines()), [
        "add 10.5.200.0/24 192.168.200.200 one", "add 10.5.201.0/24 192.168.200.201 "],
        "both are added")
    os.unlink(commands.path("seen"))
    commands.put(200, "two", "192.168.9.9")
    commands.wait_lines("del 10.5.200.0/24 192.168.200.200 one",
                        "add 10.5.200.0/24 192.168.9.9 two")
    commands.put(200, "two", "192.168.9.9")  # renewed, not changed
    commands.drop(200)
    commands.wait_lines("del 10.5.200.0/24 192.168.200.200 one",
                        "add 10.5.200.0/24 192.168.9.9 two",
                        "del 10.5.200.0/24 192.168.9.9 two")
    assert host.stop() == 0
    assert len(commands.lines()) == 3, "stopping removes nobody"


def test_hostile_data_never_reaches_a_shell(commands):
    trap = commands.path("trap")
    texts = [f"$(touch {trap})", f"`touch {trap}`", f"; touch {trap};", f"' ; touch {trap} '",
             f'" ; touch {trap} "', f"| touch {trap}", f"-e touch {trap}", "; reboot", "%s%n",
             "../../x", "$SUBNET", "x" * 1024]
    refused = ["a\nb", f"a\n;touch {trap}", "\u001b[2J", "\u0085", "\u007f", "a\u0000b", "x" * 4096,
               "x" * 1025, {"VtepMAC": "x"}, ["a"], 7, True]
    commands.recording()
    host = commands.world.host().start(ALLOW)
    for third, text in enumerate(texts + refused, 100):
        commands.put(third, text)
    commands.put(250, "last")
    expected = [f"add 10.5.{third}.0/24 192.168.200.{third} {text}"
                for third, text in enumerate(texts, 100)]
    expected.append("add 10.5.250.0/24 192.168.200.250 last")
    wait_equal(lambda: sorted(commands.lines()), sorted(expected), "the good ones, as they are")
    for third in range(100 + len(texts), 100 + len(texts) + len(refused)):
        host.wait_log(f"10.5.{third}.0/24 of 192.168.200.{third}: left out: its BackendData ")
    assert not os.path.exists(trap)


def test_values_are_single_arguments_of_a_plain_command(commands):
    script = commands.path("script")
    with open(script, "w", encoding="ascii") as file:
        file.write(f"#!/bin/sh\nprintf '<%s>' \"$@\" >>{commands.path('seen')}\n")
    os.chmod(script, 0o755)
    commands.config(SubnetAddCommand=f"{script} $SUBNET \"a $PUBLIC_IP\" '$SUBNET' ${{NETWORK}}",
                    SubnetRemoveCommand=[script, "$SUBNET", "; reboot", "$HOME"])
    commands.world.host().start(ALLOW)
    commands.put(200)
    added = "<10.5.200.0/24><a 192.168.200.200><$SUBNET><10.5.0.0/16>"
    commands.wait_lines(added)
    commands.drop(200)
    commands.wait_lines(added + "<10.5.200.0/24><; reboot><$HOME>")


def test_a_peer_whose_data_turn_bad_stays_as_it_was(commands):
    commands.recording()
    host = commands.world.host().start(ALLOW)
    commands.put(200, "good")
    commands.wait_lines("add 10.5.200.0/24 192.168.200.200 good")
    commands.put(200, "a\nb")
    host.wait_log("it is reached as before")
    commands.put(201, "next")
    commands.wait_lines("add 10.5.200.0/24 192.168.200.200 good",
                        "add 10.5.201.0/24 192.168.200.201 next")


def test_a_failed_add_is_tried_again(commands):
    once = commands.path("once")
    commands.config(SubnetAddCommand=f"test -e {once} || {{ touch {once}; echo no >&2; exit 7; }}; "
                                     f"echo $SUBNET >>{commands.path('seen')}")
    host = commands.world.host().start(ALLOW)
    commands.put(200)
    commands.wait_lines("10.5.200.0/24")
    assert "10.5.200.0/24: SubnetAddCommand: exit status 7: no; retrying in" in host.log()


def test_an_add_that_fails_for_good_is_given_up(commands):
    commands.config(SubnetAddCommand=f"echo $SUBNET >>{commands.path('seen')}; exit 1",
                    SubnetRemoveCommand=f"echo gone >>{commands.path('seen')}")
    host = commands.world.host().start(ALLOW)
    commands.put(200)
    host.wait_log("tried 4 times, so this peer is left as it is until it changes", 30)
    assert commands.lines() == 4 * ["10.5.200.0/24"]
    commands.drop(200)
    commands.wait_lines(*4 * ["10.5.200.0/24"], "gone")


# --- time, and what is left


def test_a_command_that_hangs_is_killed_and_stops_nobody_else(commands):
    word = f"7200.{commands.world.vni}"
    commands.config(
        CommandTimeout=2,
        SubnetAddCommand=f"case $SUBNET in 10.5.20[0-6].*) sleep {word}; esac; "
                         f"echo $SUBNET >>{commands.path('seen')}")
    for third in range(200, 230):
        commands.put(third)
    host = commands.world.host().start(ALLOW)
    wait_equal(lambda: sorted(commands.lines()), [f"10.5.{t}.0/24" for t in range(207, 230)],
               "all others are added")
    host.wait_log("10.5.200.0/24: SubnetAddCommand: killed, for it has not ended within 2 s")
    commands.drop(200)
    for third in range(201, 207):
        commands.drop(third)
    wait_gone(word)
    wait_until(lambda: not children_of(host.daemon.pid), "none of the killed is left a zombie")
    assert host.daemon.running()


def test_a_grandchild_that_keeps_the_pipes_is_not_awaited(commands):
    word = f"7300.{commands.world.vni}"
    commands.config(
        SubnetAddCommand=f"sleep {word} & echo $! >{commands.path('pid')}; echo started",
        SubnetRemoveCommand=f"echo $SUBNET >>{commands.path('seen')}")
    host = commands.world.host().start(ALLOW)
    commands.put(200)
    host.wait_log("10.5.200.0/24: SubnetAddCommand: started")
    commands.drop(200)
    commands.wait_lines("10.5.200.0/24")
    for pid in processes(word):
        os.kill(pid, signal.SIGKILL)
    wait_gone(word)


def test_a_grandchild_that_fills_the_pipe_for_ever_is_bounded(commands):
    word = f"y7400.{commands.world.vni}"
    commands.config(SubnetAddCommand=f"yes {word} & sleep 0.2; exit 0",
                    SubnetRemoveCommand=f"echo $SUBNET >>{commands.path('seen')}")
    host = commands.world.host().start(ALLOW)
    commands.put(200)
    host.wait_log("10.5.200.0/24: SubnetAddCommand: killed, for its output is too long")
    commands.drop(200)
    commands.wait_lines("10.5.200.0/24")
    wait_gone(word)


def test_two_hundred_peers_run_eight_at_once(commands):
    busy = commands.path("busy")
    os.mkdir(busy)
    script = (f"mkdir {busy}/$PUBLIC_IP && ls {busy} | wc -l >>{commands.path('seen')}; "
              f"sleep 0.1; rmdir {busy}/$PUBLIC_IP")
    commands.world.config(SubnetMin="10.5.220.0",
                          Backend={"Type": "extension", "SubnetAddCommand": script})
    for third in range(1, 201):
        commands.put(third)
    host = commands.world.host().start(ALLOW)
    wait_until(lambda: len(commands.lines()) == 200, "all have run", 60)
    assert 2 <= max(map(int, commands.lines())) <= 8
    wait_until(lambda: not os.listdir(busy), "the last one ends")
    wait_until(lambda: not children_of(host.daemon.pid), "no process is left, not even a zombie")


HANGING = {"PreStartupCommand": 1, "PostStartupCommand": 1, "SubnetAddCommand": 8}


@pytest.mark.parametrize("key", HANGING)
def test_sigterm_ends_it_at_once_and_leaves_no_child(commands, key):
    word = f"7500.{commands.world.vni}"
    commands.config(**{key: f"trap '' TERM; sleep {word} | cat; true"})
    for third in range(200, 220):
        commands.put(third)
    host = commands.world.host().start(ALLOW, ready=False)
    wait_equal(lambda: len(processes(word)), HANGING[key], "the commands run")
    assert host.stop() == 0
    wait_gone(word)


def test_while_a_startup_command_runs_the_service_manager_does_not_hear_ready(commands):
    word = f"7600.{commands.world.vni}"
    commands.config(PostStartupCommand=f"sleep {word}; true")
    host = commands.world.host().start(ALLOW, ready=False)
    wait_until(lambda: processes(word), "it runs")
    holds(lambda: "READY=1" not in host.notify.poll() and not os.path.exists(host.subnet_file),
          "not ready", 0.5)
    for pid in processes(word):
        os.kill(pid, signal.SIGKILL)
    host.wait_ready()
