"""README's walk from certificates to a ping, word for word, on three machines."""

import contextlib
import re

import pytest

from harness.build import sanitizer_report
from harness.machine import Machine
from harness.readme import block, commands, replaced
from harness.underlay import Underlay
from harness.wait import wait_until

FOR_HOSTS = ("ca.crt", "client.crt", "client.key")


@pytest.fixture
def machines(folder):
    """etcd's, and two hosts, at the addresses that README has."""
    with contextlib.ExitStack() as stack:
        network = Underlay("192.0.2.0/24")
        stack.callback(network.close)
        made = []
        for number in (10, 11, 12):
            made.append(Machine(network, f"192.0.2.{number}", folder))
            stack.callback(made[-1].close)
        yield made


def started(host, folder):
    """Step 3, by hand, until subnet.env is there: flanneld's process."""
    check = host.sh(block("host"))
    assert "interface eth0\n" in check and f"address {host.address}\n" in check
    return running(host, folder, "flanneld")


def running(host, folder, name):
    """That block of README, which starts flanneld, until subnet.env is there."""
    daemon = host.daemon(block(name), f"{folder}/log-{host.address}")

    def has_subnet():
        assert daemon.running(), daemon.log()
        return host.sh("cat /run/flannel/subnet.env 2>/dev/null || :")
    wait_until(has_subnet, "subnet.env is there")
    return daemon


def subnet_of(host):
    found = re.fullmatch(
        r"FLANNEL_NETWORK=10\.5\.0\.0/16\nFLANNEL_SUBNET=(10\.5\.\d+)\.1/24\n"
        r"FLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n", host.sh("cat /run/flannel/subnet.env"))
    return found.group(1)


def assert_step_4_shows(host, subnet, other):
    """Each command that README gives to look around, and what it promises to be there."""
    cat, link, route, ls, ping = commands("4. Look")
    assert f"FLANNEL_SUBNET={subnet}.1/24" in host.sh(cat)
    assert "vxlan id 1 " in host.sh(link)
    assert re.search(rf"^{other}\.0/24 .*via {other}\.0 ", host.sh(route), re.MULTILINE)
    assert {f"/coreos.com/network/subnets/{s}.0-24" for s in (subnet, other)} == set(
        host.sh(block("config").partition("overlay_etcdctl set")[0] + ls).split())
    output = host.sh(replaced(ping, "10.5.72.2", f"{other}.2"))
    assert "3 packets transmitted, 3 received, 0% packet loss" in output


def test_the_walk_of_readme_leads_to_containers_that_ping_each_other(machines, folder):
    etcd, *hosts = machines
    etcd.sh(block("certificates"))
    etcd.sh(block("etcd"))
    etcd.sh(block("config"))
    daemons = []
    try:
        for host in hosts:
            host.copy_from(etcd, *FOR_HOSTS)
            daemons.append(started(host, folder))
        subnets = [subnet_of(host) for host in hosts]
        for host in hosts:
            host.sh(block("container"))
        for host, own, other in zip(hosts, subnets, reversed(subnets)):
            wait_until(lambda h=host, o=other: f"{o}.0/24 " in h.sh("ip route"),
                       "the route to the other host")
            assert_step_4_shows(host, own, other)
        assert [daemon.stop() for daemon in daemons] == [0, 0]
    finally:
        for daemon in daemons:
            daemon.close()
    assert not any(sanitizer_report(daemon.log()) for daemon in daemons)


def test_two_machines_without_etcd_ping_each_other(machines, folder):
    hosts = machines[1:]
    daemons = []
    try:
        for host in hosts:
            host.sh(block("network.json"))
            daemons.append(running(host, folder, "file store"))
        assert [subnet_of(host) for host in hosts] == ["10.5.1", "10.5.2"]
        for host in hosts:
            host.sh(block("container"))
        wait_until(lambda: "3 received" in hosts[0].sh(
            "ip netns exec c1 ping -c 3 -i 0.2 -W 1 10.5.2.2 || :"), "a ping to the other")
        assert [daemon.stop() for daemon in daemons] == [0, 0]
    finally:
        for daemon in daemons:
            daemon.close()


def test_the_files_of_the_walk_are_shut_to_others(machines):
    etcd, host, _ = machines
    etcd.sh(block("certificates"))
    etcd.sh(block("etcd"))
    host.copy_from(etcd, *FOR_HOSTS)
    host.sh(block("host"))
    modes = "find {} -printf '%m %u:%g %f\\n'"
    assert "640 root:etcd server.key\n" in etcd.sh(modes.format("/etc/etcd"))
    assert "700 root:root flanneld\n600 root:root " in host.sh(modes.format("/etc/flanneld"))
    assert "600 root:root ca.key\n" in etcd.sh(modes.format("."))
