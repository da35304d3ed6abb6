"""Masquerade and forward rules, with both flavours of iptables, seen from outside."""

import os
import time

import pytest

from harness import health, kernel
from harness.netns import Netns, run
from harness.trace import Trace
from harness.wait import wait_until
from test_quiet import of_the_start, programs

SBIN = "/usr/sbin"


def works(flavour):
    netns = Netns("probe")
    try:
        return netns.run(
            f"{SBIN}/iptables-{flavour}", "-t", "nat", "-S", check=False).returncode == 0
    finally:
        netns.delete()


class Flavour:
    """One of the two iptables, first in PATH."""

    def __init__(self, name, folder):
        self.name = name
        self.folder = folder
        for tool in ("iptables", "iptables-save", "iptables-restore"):
            os.symlink(f"{SBIN}/xtables-{name}-multi", f"{folder}/{tool}")
        self.env = {"PATH": f"{folder}:/usr/sbin:/usr/bin:/sbin:/bin"}

    def run(self, host, *argv):
        return host.netns.run(f"{self.folder}/iptables", *argv).stdout

    def change(self, host, table, *commands):
        """Several at once: nobody sees some of them alone."""
        host.netns.run(f"{self.folder}/iptables-restore", "--noflush",
                       input="\n".join([f"*{table}", *commands, "COMMIT", ""]))

    def knows_random_fully(self):
        netns = Netns("probe")
        try:
            return netns.run(
                f"{self.folder}/iptables", "-t", "nat", "-A", "POSTROUTING", "-j", "MASQUERADE",
                "--random-fully", check=False).returncode == 0
        finally:
            netns.delete()

    def try_rules(self, host, table, chain):
        """None: there is no such chain."""
        done = host.netns.run(f"{self.folder}/iptables", "-t", table, "-S", chain, check=False)
        return done.stdout.splitlines()[1:] if done.returncode == 0 else None

    def rules(self, host, table, chain):
        return self.run(host, "-t", table, "-S", chain).splitlines()[1:]


@pytest.fixture(params=["nft", "legacy"])
def flavour(request, tmp_path):
    if not works(request.param):
        pytest.skip(f"this kernel has no iptables-{request.param}")
    return Flavour(request.param, str(tmp_path))


def masquerading(world, flavour):
    world.config()
    return world.host().start("--ip-masq", env=flavour.env)


def joined_pair(world, flavour, *flags):
    world.config()
    first, second = (world.host().start(*flags, env=flavour.env) for _ in range(2))
    first.wait_peers(second)
    second.wait_peers(first)
    return first, second


def test_containers_reach_the_outside_as_their_host(world, flavour):
    host = masquerading(world, flavour)
    container = world.container(host)
    outside, address = world.outsider()
    listener = world.listener(outside)
    assert listener.caller_from(container.netns, address) == host.address
    assert host.subnet_env()["FLANNEL_IPMASQ"] == "true"


def test_callers_from_outside_are_seen_as_they_are_on_their_containers_host(world, flavour):
    host = masquerading(world, flavour)
    container = world.container(host)
    outside, address = world.outsider()
    outside.batch(f"route add {host.subnet} via {host.address}")
    listener = world.listener(container.netns)
    assert listener.caller_from(outside, container.address) == address


def test_callers_from_outside_are_masqueraded_on_their_way_to_another_host(world, flavour):
    first, second = joined_pair(world, flavour, "--ip-masq")
    container = world.container(second)
    outside, _ = world.outsider()
    outside.batch(f"route add {second.subnet} via {first.address}")
    listener = world.listener(container.netns)
    source = listener.caller_from(outside, container.address)
    assert [f"{source}/32"] == kernel.addresses(first.netns, first.device)


def test_nothing_is_masqueraded_unless_asked_for(world, flavour):
    world.config()
    host = world.host().start(env=flavour.env)
    container = world.container(host)
    outside, address = world.outsider()
    outside.batch(f"route add {host.subnet} via {host.address}")
    listener = world.listener(outside)
    assert listener.caller_from(container.netns, address) == container.address


def test_containers_see_each_other_as_they_are(world, flavour):
    here, there = map(world.container, joined_pair(world, flavour, "--ip-masq"))
    listener = world.listener(there.netns)
    assert listener.caller_from(here.netns, there.address) == here.address


def containers_behind_a_policy_of_drop(world, flavour, *flags):
    """Two that have reached each other before the policy came."""
    hosts = joined_pair(world, flavour, *flags)
    here, there = map(world.container, hosts)
    here.reach(there)
    for host in hosts:
        flavour.run(host, "-P", "FORWARD", "DROP")
    return here, there


def test_a_forward_policy_of_drop_does_not_stop_the_overlay(world, flavour):
    here, there = containers_behind_a_policy_of_drop(world, flavour)
    assert here.pings(there.address) and there.pings(here.address)


def test_a_forward_policy_of_drop_stops_it_without_forward_rules(world, flavour):
    here, there = containers_behind_a_policy_of_drop(
        world, flavour, "--iptables-forward-rules=false")
    assert not here.pings(there.address) and not there.pings(here.address)


def test_forward_rules_can_be_left_out(world, flavour):
    world.config()
    host = world.host().start("--iptables-forward-rules=false", env=flavour.env)
    assert flavour.rules(host, "filter", "FORWARD") == []
    assert flavour.rules(host, "nat", "POSTROUTING") == []


def masquerades(host, flavour):
    return [rule for rule in flavour.rules(host, "nat", "FLANNEL-POSTRTG")
            if "-j MASQUERADE" in rule]


def test_ports_are_fully_random_unless_disabled(world, flavour):
    if not flavour.knows_random_fully():
        pytest.skip(f"iptables-{flavour.name} or this kernel has no --random-fully")
    host = masquerading(world, flavour)
    rules = masquerades(host, flavour)
    assert len(rules) == 2 and all("--random-fully" in rule for rule in rules)
    assert host.stop() == 0
    host.start("--ip-masq", "--ip-masq-fully-random-disable", env=flavour.env)
    plain = masquerades(host, flavour)
    assert plain == [rule.replace(" --random-fully", "") for rule in rules]


def test_a_restart_leaves_one_jump_in_front_and_rules_of_others_alone(world, flavour):
    host = masquerading(world, flavour)
    flavour.run(host, "-t", "nat", "-A", "POSTROUTING", "-s", "172.31.0.0/16", "-j", "ACCEPT")
    before = flavour.rules(host, "nat", "FLANNEL-POSTRTG")
    assert host.stop() == 0
    host.start("--ip-masq", env=flavour.env)
    for table, chain, ours in (("nat", "POSTROUTING", "FLANNEL-POSTRTG"),
                               ("filter", "FORWARD", "FLANNEL-FWD")):
        rules = flavour.rules(host, table, chain)
        assert [ours in rule for rule in rules] == [True] + [False] * (len(rules) - 1)
    assert "172.31.0.0/16" in "".join(flavour.rules(host, "nat", "POSTROUTING"))
    assert flavour.rules(host, "nat", "FLANNEL-POSTRTG") == before


def test_rules_of_an_earlier_network_are_replaced(world, flavour):
    host = masquerading(world, flavour)
    assert host.stop() == 0
    world.config("10.6.0.0/16")
    host.start("--ip-masq", env=flavour.env)
    everything = flavour.run(host, "-t", "nat", "-S") + flavour.run(host, "-S")
    assert "10.6.0.0/16" in everything and "10.5." not in everything


def test_rules_that_were_tampered_with_are_put_right_at_start(world, flavour):
    host = masquerading(world, flavour)
    before = flavour.rules(host, "nat", "FLANNEL-POSTRTG")
    assert host.stop() == 0
    flavour.run(host, "-t", "nat", "-D", "FLANNEL-POSTRTG", "1")
    flavour.run(host, "-t", "nat", "-A", "POSTROUTING", "-j", "FLANNEL-POSTRTG")
    host.start("--ip-masq", env=flavour.env)
    assert flavour.rules(host, "nat", "FLANNEL-POSTRTG") == before
    jumps = [r for r in flavour.rules(host, "nat", "POSTROUTING") if "FLANNEL-POSTRTG" in r]
    assert len(jumps) == 1


# --- what others do to the rules while flanneld runs


def standing(host, flavour):
    """All that concerns us: both chains, and what their base chains begin with."""
    return {(table, chain): flavour.try_rules(host, table, chain) for table, chain in (
        ("nat", "FLANNEL-POSTRTG"), ("nat", "POSTROUTING"), ("filter", "FLANNEL-FWD"),
        ("filter", "FORWARD"))}


def iptables(table, *argv):
    return lambda host, flavour: flavour.run(host, "-t", table, *argv)


def flush_ruleset(host, flavour):
    if flavour.name == "nft":
        host.netns.run("nft", "flush", "ruleset")
    else:
        for table, base, own in (("nat", "POSTROUTING", "FLANNEL-POSTRTG"),
                                 ("filter", "FORWARD", "FLANNEL-FWD")):
            flavour.change(host, table, f"-F {base}", f"-F {own}", f"-X {own}")


DAMAGE = {
    "everything": flush_ruleset,
    "a chain's rules": iptables("nat", "-F", "FLANNEL-POSTRTG"),
    "a jump": iptables("filter", "-D", "FORWARD", "1"),
    "a rule": iptables("nat", "-D", "FLANNEL-POSTRTG", "1"),
    "a second jump": iptables("nat", "-A", "POSTROUTING", "-j", "FLANNEL-POSTRTG"),
    "a rule among ours": iptables("filter", "-I", "FLANNEL-FWD", "1", "-j", "DROP"),
    "a rule before the jump": iptables("nat", "-I", "POSTROUTING", "1", "-s", "172.31.0.0/16", "-j",
                                       "RETURN"),
    "another order": lambda host, flavour: flavour.change(
        host, "nat", flavour.rules(host, "nat", "FLANNEL-POSTRTG")[0], "-D FLANNEL-POSTRTG 1"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_what_others_do_to_the_rules_is_undone(world, flavour, damage):
    world.config()
    host = world.host().start("--ip-masq", "--iptables-resync=1", "--healthz-port=8471",
                              env=flavour.env)
    flavour.run(host, "-t", "nat", "-A", "POSTROUTING", "-s", "172.30.0.0/16", "-j", "ACCEPT")
    before = standing(host, flavour)
    begin = time.monotonic()
    DAMAGE[damage](host, flavour)
    wait_until(lambda: "they are put right" in host.log(), "it is noticed")
    ours = {key: rules for key, rules in before.items() if key[1].startswith("FLANNEL-")}
    wait_until(lambda: ours.items() <= standing(host, flavour).items(), "the chains are back")
    print(f"{flavour.name}, {damage}: back after {(time.monotonic() - begin) * 1e3:.0f} ms")
    for table, chain, own in (("nat", "POSTROUTING", "FLANNEL-POSTRTG"),
                              ("filter", "FORWARD", "FLANNEL-FWD")):
        rules = flavour.rules(host, table, chain)
        assert own in rules[0] and sum(own in rule for rule in rules) == 1
    if damage == "a rule before the jump":
        assert "172.31.0.0/16" in "".join(flavour.rules(host, "nat", "POSTROUTING"))
    # the legacy one has no way to change two tables at once
    repairs = health.metrics(host)["flanneld_rules_repairs_total"]
    assert 1 <= repairs <= 1 + (damage == "everything" and flavour.name == "legacy")
    assert host.log().count("somebody has changed the rules") == repairs


def test_rules_of_others_are_none_of_our_business(world, flavour, folder):
    """No process is started for them."""
    world.config()
    trace = Trace(f"{folder}/trace", "%process")
    host = world.host().start("--ip-masq", "--iptables-resync=1", wrapper=trace.wrapper,
                              env={**flavour.env, **trace.env})
    of_the_start(trace)
    flavour.run(host, "-t", "nat", "-N", "KUBE-SERVICES")
    flavour.run(host, "-t", "nat", "-A", "KUBE-SERVICES", "-s", "172.30.0.0/16", "-j", "ACCEPT")
    flavour.run(host, "-t", "mangle", "-A", "FORWARD", "-j", "ACCEPT")
    time.sleep(2)
    later = programs(trace.lines())[3:]
    # Legacy tables tell only that something is another thing now: it is looked at, no more.
    assert later == [] if flavour.name == "nft" else set(later) <= {"iptables-save"} and len(later) <= 2
    assert "somebody" not in host.log()


def test_who_keeps_changing_the_rules_does_not_keep_us_busy(world, flavour):
    world.config()
    host = world.host().start("--ip-masq", "--iptables-resync=1", env=flavour.env)
    begin, undone = time.monotonic(), 0
    while time.monotonic() < begin + 6:
        if flavour.rules(host, "filter", "FORWARD"):
            flavour.run(host, "-D", "FORWARD", "1")
            undone += 1
        time.sleep(0.02)
    assert 2 <= undone <= 9
    assert host.log().count("somebody has changed the rules") <= undone
    assert host.daemon.cpu_seconds() < 1


# --- no iptables at all

HIDE = f"""
for program in {SBIN}/xtables-nft-multi {SBIN}/xtables-legacy-multi; do
    [ ! -e "$program" ] || mount --bind /dev/null "$program" || exit 97
done
exec "$@"
"""
WITHOUT_IPTABLES = ("unshare", "--mount", "--propagation", "private", "sh", "-c", HIDE, "sh")


def test_exit_5_before_a_lease_if_masquerade_needs_iptables(world):
    world.config()
    host = world.host().start("--ip-masq", ready=False, wrapper=WITHOUT_IPTABLES)
    assert host.wait_exit() == 5
    assert "iptables" in host.log()
    assert world.leases() == []


def broken_tool(folder, name):
    """A PATH whose first iptables-save or iptables-restore refuses."""
    tool = folder / name
    tool.write_text("#!/bin/sh\necho 'the xtables lock is made of cheese' >&2\nexit 4\n")
    tool.chmod(0o755)
    return {"PATH": f"{folder}:/usr/sbin:/usr/bin:/sbin:/bin"}


@pytest.mark.parametrize("name", ["iptables-save", "iptables-restore"])
def test_exit_5_if_iptables_fails_and_masquerade_needs_it(world, tmp_path, name):
    world.config()
    host = world.host().start("--ip-masq", ready=False, env=broken_tool(tmp_path, name))
    assert host.wait_exit() == 5
    said = [line for line in host.log().splitlines() if " ERROR " in line]
    assert len(said) == 1
    assert f"{tmp_path}/{name}: the xtables lock is made of cheese" in said[0]
    assert not any("READY=1" in message for message in host.notify.poll())


@pytest.mark.parametrize("name", ["iptables-save", "iptables-restore"])
def test_an_iptables_that_fails_is_only_said_without_masquerade(world, tmp_path, name):
    world.config()
    host = world.host().start(env=broken_tool(tmp_path, name))
    assert host.log().count("the xtables lock is made of cheese") == 1


def test_forward_rules_without_iptables_are_only_a_warning(world):
    world.config()
    host = world.host().start(wrapper=WITHOUT_IPTABLES)
    assert "iptables" in host.log()


def test_this_machine_still_has_its_iptables():
    assert run("iptables", "--version").returncode == 0
