"""Not root: an unprivileged user with a capability, --user, and what is said if it is not enough."""

import os
import pwd

import pytest

from harness.service import PIDFILE, ServiceMachine
from harness.wait import wait_until

NOBODY = pwd.getpwnam("nobody")
NET_ADMIN, NET_RAW = 12, 13


def as_nobody(*caps):
    """A wrapper: the user nobody with these capabilities, and no way to others."""
    wanted = ",".join(["-all", *(f"+{cap}" for cap in caps)])
    return ("setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups",
            "--no-new-privs", f"--inh-caps={wanted}", f"--ambient-caps={wanted}",
            f"--bounding-set={wanted}")


@pytest.fixture
def host(world):
    """One whose files nobody may write."""
    made = world.host()
    os.chmod(world.folder, 0o755)
    os.chown(made.folder, NOBODY.pw_uid, NOBODY.pw_gid)
    return made


def start(host, *flags, caps=("net_admin",)):
    host.start(*flags, wrapper=as_nobody(*caps), ready=False)
    os.chmod(host.notify.path, 0o777)
    return host


def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file)


def caps(*numbers):
    return f"{sum(1 << n for n in numbers):016x}"


def test_nobody_with_one_capability_does_all_that_root_does(host):
    host.world.config()
    start(host, "--ip-masq")
    host.wait_log("ready: ")
    assert status_of(host.daemon.pid)["CapEff"] == caps(NET_ADMIN)
    host.wait_peers(host.world.peer(200))
    assert "flanneld masq" in host.netns.run("iptables", "-t", "nat", "-S").stdout
    assert os.stat(host.subnet_file).st_uid == NOBODY.pw_uid
    assert host.stop() == 0


def test_exit_1_if_the_capability_is_missing_which_is_named(host):
    host.world.config()
    start(host, caps=("net_raw",))
    assert host.wait_exit() == 1
    assert "CAP_NET_ADMIN is missing" in host.log()
    assert host.world.leases() == []


# --- --user


@pytest.fixture
def machine(world):
    made = world.keep(ServiceMachine(world))
    made.world.config()
    return made


def test_user_drops_everything_that_is_not_needed(machine):
    machine.started("--user=nobody", "--ip-masq")
    status = status_of(machine.pid)
    assert status["Uid"].split() == [str(NOBODY.pw_uid)] * 4
    assert status["Gid"].split() == [str(NOBODY.pw_gid)] * 4
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert status[kind] == caps(NET_ADMIN, NET_RAW), kind
    assert machine.sh("stat -c %U /run/flannel /run/flannel/subnet.env") == "nobody\nnobody\n"


def test_user_works_on(machine):
    """Rules are written by a child of it, rows by itself; a restart takes all of it over."""
    peer = machine.world.peer(200)
    machine.started("--user=nobody:daemon", "--ip-masq")
    assert "flanneld masq" in machine.sh("iptables -t nat -S")
    wait_until(lambda: peer.subnet in machine.sh("ip route"), "the route stands")
    env = machine.subnet_text()
    machine.stop()
    machine.started("--user=nobody:daemon", "--ip-masq")
    assert machine.subnet_text() == env
    assert machine.sh("iptables -t nat -S").count("flanneld masq") > 0


def test_udp_carries_packets_for_a_user(machine):
    """With the mode that udev gives the device, as everywhere."""
    machine.world.config(Backend={"Type": "udp"})
    machine.sh("chmod 666 /dev/net/tun")
    machine.started("--user=nobody")
    assert "flannel0" in machine.sh("ip link")
    assert "CAP_NET_RAW" not in "\n".join(machine.syslog())


def test_the_number_in_the_pidfile_goes_where_the_file_cannot(machine):
    machine.started("--user=nobody")
    machine.stop()
    assert machine.sh(f"cat {PIDFILE}") == ""
    machine.started("--user=nobody")


def test_user_is_refused_by_name(machine):
    for user, words in (("no-such-user", "there is no such user"),
                        ("nobody:no-such-group", "there is no such group"),
                        (":daemon", "must be NAME or NAME:GROUP"),
                        ("nobody:", "must be NAME or NAME:GROUP")):
        code, said = machine.flanneld(f"--user={user}")
        assert code == 2 and f"--user={user}: {words}" in said


def test_files_that_the_user_may_not_have_are_named_before_the_lease(machine):
    machine.sh("umask 077; touch /run/ca.pem; mkdir /run/other")
    code, said = machine.flanneld("--user=nobody", "--etcd-cafile=/run/ca.pem")
    assert code == 1 and "/run/ca.pem: user nobody (--user) may not read it" in said
    code, said = machine.flanneld("--user=nobody", "--subnet-file=/run/other/subnet.env")
    assert code == 7 and "/run/other: user nobody (--user) may not write to it" in said
    assert machine.world.leases() == []


def test_only_root_can_become_another_user(machine):
    code, said = machine.try_sh(
        f"exec setpriv --reuid=daemon --clear-groups flanneld {machine.flags} --user=nobody "
        "--subnet-file=/run/x/subnet.env")
    assert code == 1 and "only root can become another user" in said
