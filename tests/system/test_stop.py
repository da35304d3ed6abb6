"""SIGTERM and SIGINT: what is done between the signal and the exit, and what is left."""

import signal

import pytest

from harness import kernel
from harness.trace import (Trace, calls, sent_to_the_network, since_signal,
                           starts_of_processes, timeout_ms, waits)
from harness.wait import wait_until


def waits_for_etcd(host):
    return any(m.startswith("STATUS=") for m in host.notify.poll())


def state(host):
    device = kernel.device(host.netns, host.device)
    return (device["ifindex"], device["flags"], kernel.rows(host.netns, host.device),
            kernel.addresses(host.netns, host.device),
            host.netns.run("iptables-save", "-t", "nat").stdout.splitlines()[1:-1])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_leaves_everything_in_place(world, number):
    world.config()
    host = world.host().start("--ip-masq")
    host.wait_peers(world.peer(200))
    before, env, lease = state(host), host.subnet_env(), host.lease()["value"]
    assert host.daemon.stop(number) == 0
    assert state(host) == before
    assert (host.subnet_env(), host.lease()["value"]) == (env, lease)
    assert "STOPPING=1" in host.notify.poll()


# --- how fast it is, shown by what it does: a time would tell about the machine


def stopped(host, trace, number=signal.SIGTERM, code=0):
    """What it did from the signal to its end."""
    assert host.daemon.stop(number, timeout=20) == code
    return since_signal(trace.ended(), number.name)


def assert_ends_at_once(did):
    """No process is started, nothing is sent to others, and nothing is waited for: the loop
    looks once at what the signal's handler has just written for it, which is there. A loop that
    was at work when the signal came is written nothing, and does not wait at all."""
    woken = calls(did, "write")[0].partition("<")[0].rpartition("(")[2]
    for wait in waits(did)[:1]:
        assert f"{{u32={woken}," in wait and wait.endswith("= 1"), wait
    assert len(waits(did)) <= 1, waits(did)
    assert starts_of_processes(did) == []
    assert sent_to_the_network(did) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_without_waiting_for_anything(world, folder, number):
    world.config()
    trace = Trace(f"{folder}/trace")
    host = world.host().start("--ip-masq", wrapper=trace.wrapper, env=trace.env)
    host.wait_peers(world.peer(200))
    assert_ends_at_once(stopped(host, trace, number))


def test_it_ends_without_waiting_while_etcd_is_awaited(world, folder):
    trace = Trace(f"{folder}/trace")
    host = world.host().start("--etcd-endpoints=http://192.168.255.254:2379", ready=False,
                              wrapper=trace.wrapper, env=trace.env)
    wait_until(lambda: waits_for_etcd(host), "it waits")
    assert_ends_at_once(stopped(host, trace))


def test_the_end_is_seen_to_wait_where_it_does(world, folder):
    """Releasing the lease is a request and its answer: what the tests above would find."""
    world.config()
    trace = Trace(f"{folder}/trace")
    host = world.host().start("--release-on-exit", wrapper=trace.wrapper, env=trace.env)
    did = stopped(host, trace)
    assert len(waits(did)) > 1
    assert any("DELETE /v2/keys" in line for line in sent_to_the_network(did))
    assert world.leases() == []


# --- --release-on-exit while etcd is away


def test_exit_1_if_a_silent_etcd_does_not_release_the_lease(world, folder):
    """It gives up by a limit of its own, long before the request would have."""
    world.config()
    trace = Trace(f"{folder}/trace")
    host = world.host().start("--release-on-exit", wrapper=trace.wrapper, env=trace.env)
    lease = host.lease()["value"]
    host.cut_off(world.etcd.address)
    did = stopped(host, trace, code=1)
    host.heal()
    idle = [timeout_ms(line) for line in waits(did) if line.endswith("= 0")]
    assert 500 < sum(idle) < 3000, waits(did)
    assert host.log().count("lease not released, it will expire: ") == 1
    assert "the lease stays" not in host.log(), "said twice"
    assert host.lease()["value"] == lease


def test_exit_1_if_no_etcd_is_there_to_release_the_lease(own_world):
    own_world.config()
    host = own_world.host().start("--release-on-exit")
    own_world.etcd.stop()
    assert host.daemon.stop(timeout=20) == 1
    assert host.log().count("lease not released, it will expire: ") == 1
    assert "the lease stays" not in host.log(), "said twice"
