"""Nothing happens while nothing changes."""

import time

from harness.trace import Trace, calls, starts_of_processes
from harness.wait import wait_equal

REST_S = 10  # --iptables-resync's default, twice


def programs(lines):
    """What was executed: ["flanneld", "iptables-save", ...]."""
    return [line.partition('execve("')[2].partition('"')[0].rpartition("/")[2]
            for line in calls(lines, "execve")]


def of_the_start(trace):
    """The trace, once the children of the start are in it."""
    wait_equal(lambda: programs(trace.lines()), ["flanneld", "iptables-save", "iptables-restore"],
               "the rules were read and written")
    return trace.lines()


def test_no_process_is_started_while_nothing_changes(world, folder):
    world.config()
    trace = Trace(f"{folder}/trace", "%process")
    host = world.host().start("--ip-masq", "-v=1", wrapper=trace.wrapper, env=trace.env)
    host.wait_peers(world.peer(200))
    before = of_the_start(trace)
    assert len(starts_of_processes(before)) == 3 + 2, "each execve, and a clone for two"
    time.sleep(REST_S)
    assert host.daemon.running()
    assert starts_of_processes(trace.lines()[len(before):]) == []


def test_no_process_is_started_for_a_peer(world, folder):
    world.config()
    trace = Trace(f"{folder}/trace", "%process")
    host = world.host().start("--ip-masq", wrapper=trace.wrapper, env=trace.env)
    before = of_the_start(trace)
    peers = [world.peer(third) for third in range(200, 220)]
    host.wait_peers(*peers)
    world.drop(peers[0])
    host.wait_peers(*peers[1:])
    assert starts_of_processes(trace.lines()[len(before):]) == []


def test_rules_that_stand_are_read_and_not_written(world, folder):
    """A restart needs one process, the one that reads."""
    world.config()
    host = world.host().start("--ip-masq")
    assert host.stop() == 0
    trace = Trace(f"{folder}/trace", "%process")
    host.start("--ip-masq", wrapper=trace.wrapper, env=trace.env)
    assert host.stop() == 0
    assert programs(trace.ended()) == ["flanneld", "iptables-save"]
