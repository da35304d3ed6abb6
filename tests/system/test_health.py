"""Health, readiness (F8), metrics (F9), and where they are served (X4)."""

import json
import shutil
import signal
import subprocess

import pytest

from harness import health, kernel
from harness.wait import wait_equal, wait_until

FLAG = f"--healthz-port={health.PORT}"


def started(world, *flags, **options):
    world.config()
    return world.host().start(FLAG, *flags, **options)


def wait_reasons(host, *expected, timeout=20.0):
    wait_equal(lambda: tuple(health.readiness(host)[1]), expected, "these reasons, and no others",
               timeout)


# --- X4: where

def listeners(host):
    done = host.netns.run("ss", "-Hltn")
    return [line.split()[3] for line in done.stdout.splitlines()]


def test_nothing_is_served_unless_a_port_is_given(world):
    world.config()
    assert listeners(world.host().start()) == []


@pytest.mark.parametrize("ip", [None, ""])
def test_health_is_served_on_loopback_alone_unless_told_otherwise(world, ip):
    host = started(world, *([] if ip is None else [f"--healthz-ip={ip}"]))
    assert listeners(host) == [f"127.0.0.1:{health.PORT}"]
    with pytest.raises(OSError):
        health.get(host, "/healthz", host.address)


def test_health_is_served_where_it_is_told_to_be(world):
    host = started(world, "--healthz-ip=0.0.0.0")
    assert health.get(host, "/healthz", host.address) == (200, "ok\n")


def test_a_port_that_is_taken_ends_it_with_a_line_that_names_it(world):
    first = started(world)
    second = world.neighbour(first)
    second.start(FLAG, ready=False)
    assert second.wait_exit() == 1
    assert f"127.0.0.1 port {health.PORT}: Address already in use" in second.log()
    assert health.get(first, "/healthz")[0] == 200


def test_a_restart_has_its_port_at_once(world):
    host = started(world)
    client = health.Client(host.netns)
    assert client.ask("/healthz")[0] == 200
    host.restart(FLAG)
    assert health.get(host, "/healthz") == (200, "ok\n")
    client.close()


# --- what may be asked

def test_other_paths_and_methods_are_refused(world):
    host = started(world)
    assert health.get(host, "/")[0] == 404
    assert health.get(host, "/healthz/x")[0] == 404
    assert health.get(host, "/v1/status")[0] == 404, "only by the control socket"
    assert health.get(host, "/healthz?verbose=1")[0] == 200
    assert health.get(host, "/healthz", method="POST")[0] == 405
    assert health.get(host, "/healthz", method="DELETE")[0] == 405
    assert health.get(host, "/metrics", method="HEAD") == (200, "")


# --- F8: each reason alone

def test_it_is_healthy_but_not_ready_while_it_waits_for_the_config(world):
    host = world.host().start(FLAG, ready=False)
    host.wait_log("health checks and metrics are served")
    wait_until(lambda: f"{world.prefix}/config" in health.readiness(host)[1].get("start", ""),
               "/readyz says what is awaited")
    assert health.get(host, "/healthz") == (200, "ok\n")
    status, reasons = health.readiness(host)
    assert status == 503
    assert list(reasons) == ["start"]
    world.config()
    host.wait_ready()
    assert health.readiness(host) == (200, {})


def test_ready_falls_with_the_watch_and_rises_again(own_world):
    host = started(own_world)
    wait_reasons(host)
    own_world.etcd.stop()
    wait_reasons(host, "watch")
    status, reasons = health.readiness(host)
    assert status == 503
    assert own_world.etcd.endpoint in reasons["watch"]
    assert health.get(host, "/healthz")[0] == 200
    own_world.etcd.start()
    wait_reasons(host)


def forbid_writes(etcd, forbidden):
    """Everything may be read; whether it may be written, by anybody but root."""
    etcd.credentials = ("root", "secret")
    change = {"kv": {"read": [], "write": ["/*"]}}
    status, answer, _ = etcd.request("PUT", "/v2/auth/roles/node", json.dumps(
        {"role": "node", "revoke" if forbidden else "grant": change}))
    assert status == 200, answer


def test_ready_falls_with_the_lease_and_rises_again(own_world):
    """Renewals are denied, while reading goes on."""
    etcd = own_world.etcd
    own_world.config()
    etcd.require_user("root", "secret")
    everything = {"kv": {"read": ["/*"], "write": ["/*"]}}
    for path, body in (("roles/node", {"role": "node", "permissions": everything}),
                       ("users/node", {"user": "node", "password": "p", "roles": ["node"]})):
        status, answer, _ = etcd.request("PUT", f"/v2/auth/{path}", json.dumps(body))
        assert status in (200, 201), answer
    host = own_world.host().start(FLAG, "--etcd-username=node", "--etcd-password=p",
                                  "--subnet-lease-ttl=5s")
    wait_reasons(host)
    forbid_writes(etcd, True)
    wait_reasons(host, "lease")
    assert host.subnet in health.readiness(host)[1]["lease"]
    assert health.metrics(host)["flanneld_lease_renewal_failures_total"] > 0
    forbid_writes(etcd, False)
    wait_reasons(host)


def test_ready_falls_with_the_device_and_rises_again(world):
    """Somebody else's device has its name, so it cannot be made again."""
    host = started(world)
    wait_reasons(host)
    host.daemon.send(signal.SIGSTOP)
    try:
        host.netns.batch(f"link del {host.device}", f"link add {host.device} type bridge")
    finally:
        host.daemon.send(signal.SIGCONT)
    wait_reasons(host, "device")
    host.netns.batch(f"link del {host.device}")
    wait_reasons(host)
    wait_equal(lambda: kernel.addresses(host.netns, host.device), [host.subnet[:-3] + "/32"],
               "the device is back")
    assert health.metrics(host)["flanneld_device_repairs_total"] >= 1


def test_ready_falls_with_the_rules_and_rises_again(world, tmp_path):
    """iptables-restore refuses as long as a file is there."""
    tool = tmp_path / "iptables-restore"
    broken = tmp_path / "broken"
    broken.touch()
    real = shutil.which("iptables-restore", path="/usr/sbin:/sbin:/usr/bin")
    tool.write_text(f"#!/bin/sh\n[ ! -e {broken} ] || {{ echo 'no cheese' >&2; exit 4; }}\n"
                    f'exec {real} "$@"\n')
    tool.chmod(0o755)
    host = started(world, env={"PATH": f"{tmp_path}:/usr/sbin:/usr/bin:/sbin:/bin"})
    wait_reasons(host, "rules")
    assert "no cheese" in health.readiness(host)[1]["rules"]
    assert health.metrics(host)["flanneld_rules_standing"] == 0
    broken.unlink()
    wait_reasons(host, timeout=30)
    assert host.log().count("no cheese") == 1
    assert "the rules are installed now" in host.log()


# --- F9: metrics

def test_metrics_please_promtool_and_say_what_is(world):
    host = started(world)
    peers = [world.peer(third) for third in (200, 201, 202)]
    foreign = world.gateway_peer(203)
    world.etcd.put(f"{world.prefix}/subnets/nonsense", "{")
    host.wait_peers(*peers)
    wait_equal(lambda: health.metrics(host)["flanneld_leases"], 4, "all leases are counted")
    _, text = health.get(host, "/metrics")
    done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                          capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found = health.metrics(host)
    assert found['flanneld_peers{state="reached"}'] == 3
    assert found['flanneld_peers{state="ignored"}'] == 1, foreign.subnet
    assert found["flanneld_rows_declared"] == found["flanneld_rows_installed"] == 9
    assert found["flanneld_store_unreadable_entries"] == 1
    assert found["flanneld_ready"] == 1
    assert found["flanneld_watch_following"] == 1
    assert found["flanneld_lease_expiry_timestamp_seconds"] > 1.6e9
    assert found["flanneld_store_request_duration_seconds_count"] >= 3
    assert any(name.startswith("flanneld_build_info{") for name in found)


def test_repairs_are_counted(world):
    host = started(world)
    peer = world.peer(200)
    host.wait_peers(peer)
    host.netns.batch(f"route del {peer.subnet}")
    wait_equal(lambda: health.metrics(host)["flanneld_rows_repaired_total"], 1, "one repair")


def test_counters_of_a_backend_are_shown_under_its_name(world):
    world.config(Backend={"Type": "udp", "Port": 8285})
    host = world.host().start(FLAG)
    _, text = health.get(host, "/metrics")
    assert "\nflanneld_udp_sent_packets_total 0\n" in text
    done = subprocess.run(["promtool", "check", "metrics"], input=text, text=True,
                          capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
