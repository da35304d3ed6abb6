"""Which interface and address: --check prints the choice, and why."""

import pytest

from harness.build import FLANNELD, environment


class Machine:
    """A host with three interfaces; eth0 has the default route."""

    def __init__(self, world):
        self.host = world.host()
        self.netns = self.host.netns
        self.eth0 = self.host.address
        for number in (1, 2):
            self.netns.batch(
                f"link add eth{number} type veth peer name far{number}",
                f"addr add 172.20.{number}.1/24 dev eth{number}",
                f"link set far{number} up",
                f"link set eth{number} up")

    def check(self, *flags, code=0):
        done = self.netns.run(FLANNELD, "--check", *flags, check=False, env=environment())
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else done.stderr


@pytest.fixture
def machine(world):
    return Machine(world)


def assert_chosen(output, device, address):
    words = output.replace(",", " ").replace(";", " ").split()
    assert device in words or f"{device}:" in words, output
    assert address in output


def test_the_default_routes_interface_if_nothing_is_asked_for(machine):
    output = machine.check()
    assert_chosen(output, "eth0", machine.eth0)
    assert "default route" in output


def test_an_interface_by_name_and_by_address(machine):
    assert_chosen(machine.check("--iface=eth1"), "eth1", "172.20.1.1")
    assert_chosen(machine.check("-iface", "172.20.2.1"), "eth2", "172.20.2.1")


def test_the_first_match_in_order_counts(machine):
    output = machine.check("--iface=nosuch0", "--iface=eth2", "--iface=eth1")
    assert_chosen(output, "eth2", "172.20.2.1")


def test_a_regex_matches_names_or_addresses(machine):
    assert_chosen(machine.check("--iface-regex=^eth[12]$"), "eth1", "172.20.1.1")
    assert_chosen(machine.check(r"--iface-regex=172\.20\.2\."), "eth2", "172.20.2.1")


def test_regexes_come_after_all_names(machine):
    output = machine.check("--iface-regex=eth1", "--iface=eth2")
    assert_chosen(output, "eth2", "172.20.2.1")


def test_the_interface_that_reaches_an_address(machine):
    machine.netns.batch("route add 10.99.0.0/16 via 172.20.2.254")
    assert_chosen(machine.check("--iface-can-reach=10.99.0.1"), "eth2", "172.20.2.1")


def test_secondary_and_deprecated_addresses_are_skipped(machine):
    machine.netns.batch(
        "link set eth1 down",
        "addr flush dev eth1",
        "link set eth1 up",
        "addr add 172.20.3.1/24 dev eth1 preferred_lft 0",
        "addr add 172.20.1.1/24 dev eth1",
        "addr add 172.20.1.2/24 dev eth1")
    assert_chosen(machine.check("--iface=eth1"), "eth1", "172.20.1.1")


def test_a_public_address_is_told_beside_the_own_one(machine):
    assert "203.0.113.9" in machine.check("--public-ip=203.0.113.9")


def test_exit_3_says_what_was_asked_for(machine):
    assert "nosuch0" in machine.check("--iface=nosuch0", code=3)
    assert "^wlan" in machine.check("--iface-regex=^wlan", code=3)
    machine.netns.batch("link set eth1 down")
    assert "eth1" in machine.check("--iface=eth1", code=3)


def test_the_choice_and_its_reason_are_logged(world):
    world.config()
    host = world.host()
    host.start("--iface=eth0")
    assert any("eth0" in line and host.address in line for line in host.log().splitlines())
