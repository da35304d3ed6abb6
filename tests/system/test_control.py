"""The control socket: who may use it, what it tells, and what becomes of old ones."""

import contextlib
import json
import os
import socket
import stat

from harness import health
from harness.wait import wait_equal, wait_until


def joined(world, *flags):
    world.config()
    return world.host().start(*flags)


def status(host):
    code, text = health.control(host, "/v1/status")
    assert code == 200
    return json.loads(text)


def peers(host):
    code, text = health.control(host, "/v1/peers")
    assert code == 200
    return {p["subnet"]: p for p in json.loads(text)}


# --- the socket

def test_the_socket_is_beside_subnet_env_and_goes_with_the_daemon(world):
    host = joined(world)
    path = health.control_path(host)
    mode = os.stat(path)
    assert stat.S_ISSOCK(mode.st_mode) and stat.S_IMODE(mode.st_mode) == 0o660
    assert (mode.st_uid, mode.st_gid) == (0, 0)
    assert host.stop() == 0
    assert not os.path.exists(path)


def test_a_group_may_use_it(world):
    host = joined(world, "--control-group=daemon")
    assert os.stat(health.control_path(host)).st_gid == 1
    assert host.stop() == 0
    host.start("--control-group=4242")
    assert os.stat(health.control_path(host)).st_gid == 4242


def test_it_can_be_elsewhere_or_nowhere(world, folder):
    host = joined(world, f"--control-socket={folder}/deep/er/socket")
    assert not os.path.exists(health.control_path(host))
    client = health.ControlClient(f"{folder}/deep/er/socket")
    client.request("GET", "/healthz")
    assert client.getresponse().status == 200
    client.close()
    assert host.stop() == 0
    host.start("--control-socket=")
    assert not os.path.exists(health.control_path(host))


def test_the_socket_of_a_dead_daemon_is_replaced(world):
    host = joined(world)
    host.kill()
    assert os.path.exists(health.control_path(host))
    host.start()
    assert status(host)["ready"]


def test_the_socket_of_a_living_daemon_is_left_alone(world):
    host = joined(world)
    path = health.control_path(host)
    second = world.neighbour(host)
    second.start(f"--control-socket={path}", ready=False)
    second.wait_log("another flanneld listens on it")
    second.kill()
    assert health.control(host, "/healthz") == (200, "ok\n")


def test_what_is_no_socket_is_left_alone_and_said(world, folder):
    path = folder / "precious"
    path.write_text("mine")
    host = joined(world, f"--control-socket={path}")
    assert f"{path}: no control socket" in host.log()
    assert host.stop() == 0
    assert path.read_text() == "mine"


def test_a_name_that_cannot_be_is_said(world):
    host = joined(world, "--control-socket=relative/path")
    assert "relative/path: no control socket, so flannelctl cannot ask: not an absolute path" \
        in host.log()
    host.restart("--control-group=nobody-has-this")
    assert "no such group (--control-group)" in host.log()


# --- what it tells

def test_it_has_the_pages_of_health_too(world):
    host = joined(world)
    assert health.control(host, "/readyz")[0] == 200
    assert "\nflanneld_ready 1\n" in health.control(host, "/metrics")[1]


def test_status_tells_who_and_how_we_are(world):
    host = joined(world)
    world.peer(200)
    wait_equal(lambda: status(host)["peers"]["reached"], 1, "the peer is counted")
    told = status(host)
    assert told["ready"] is True and told["reasons"] == [] and told["stage"] == "running"
    assert told["lease"]["subnet"] == host.subnet and told["lease"]["state"] == "held"
    assert told["lease"]["expires"] > told["now"] > told["started"] - 1
    assert told["network"] == "10.5.0.0/16" and told["backend"] == "vxlan"
    assert told["interface"]["address"] == host.address
    assert told["rules"]["state"] == "standing"
    assert told["rows"]["declared"] == told["rows"]["installed"] == 3


def test_peers_are_told_with_their_way_and_whether_the_kernel_is_in_step(world):
    host = joined(world)
    good, foreign = world.peer(200), world.gateway_peer(201)
    host.wait_peers(good)
    wait_equal(lambda: len(peers(host)), 2, "both are known")
    told = peers(host)
    assert told[good.subnet]["state"] == "reached"
    assert told[good.subnet]["public_ip"] == good.address
    assert (told[good.subnet]["how"], told[good.subnet]["device"]) == ("tunnel", host.device)
    assert told[good.subnet]["in_step"] is True and told[good.subnet]["rows"] == 3
    assert told[foreign.subnet]["state"] == "ignored"
    assert told[foreign.subnet]["why"]
    host.netns.batch(f"route del {good.subnet}")
    wait_until(lambda: peers(host)[good.subnet]["in_step"], "the row is back")


def test_many_peers_are_told_whole(world):
    host = joined(world)
    connection = world.etcd.connect()
    for number in range(1000):
        subnet = f"10.5.{200 + number // 32}.{number % 32 * 8}"
        world.etcd.put(f"{world.prefix}/subnets/{subnet}-29", json.dumps({
            "PublicIP": f"192.168.{100 + number // 250}.{number % 250 + 1}",
            "BackendType": "vxlan",
            "BackendData": {"VNI": world.vni, "VtepMAC": f"0a:00:00:00:{number // 256:02x}:"
                                                         f"{number % 256:02x}"},
        }), connection)
    connection.close()
    wait_equal(lambda: status(host)["peers"]["reached"], 1000, "all are reached", 30)
    assert len(peers(host)) == 1000


# --- events

def test_events_tell_what_happens(world):
    host = joined(world)
    with contextlib.closing(health.Events(host)) as events:
        assert events.hello["ready"] is True
        peer = world.peer(200)
        came = events.until("peer-came")
        assert (came["subnet"], came["public_ip"]) == (peer.subnet, peer.address)
        host.wait_peers(peer)
        host.netns.batch(f"route del {peer.subnet}")
        assert events.until("rows-repaired")["rows"] == 1
        world.drop(peer)
        assert events.until("peer-gone")["subnet"] == peer.subnet


def test_events_tell_of_a_store_that_goes_and_comes_back(own_world):
    host = joined(own_world)
    with contextlib.closing(health.Events(host)) as events:
        own_world.etcd.stop()
        away = events.until("store-away")
        assert own_world.etcd.endpoint in away["text"]
        assert [r["reason"] for r in events.until("not-ready")["reasons"]] == ["watch"]
        own_world.etcd.start()
        assert events.until("store-back")
        assert events.until("ready")["reasons"] == []


def test_renewals_are_told(world):
    host = joined(world, "--subnet-lease-ttl=5s")
    with contextlib.closing(health.Events(host)) as events:
        assert events.until("renewed")["expires"] > 1.6e9


def test_the_stream_ends_with_the_daemon(world):
    host = joined(world)
    with contextlib.closing(health.Events(host)) as events:
        assert host.stop() == 0
        assert events._answer.readline() == b""


def descriptors(host):
    return len(os.listdir(f"/proc/{host.daemon.pid}/fd"))


def test_listeners_that_go_leave_nothing_behind(world):
    host = joined(world)
    health.control(host, "/healthz")
    before = descriptors(host)
    for _ in range(3):
        for events in [health.Events(host) for _ in range(10)]:
            events.close()
    wait_until(lambda: descriptors(host) <= before, "all descriptors are closed")


def test_too_many_listeners_are_refused(world):
    host = joined(world)
    with contextlib.ExitStack() as stack:
        for _ in range(16):
            stack.enter_context(contextlib.closing(health.Events(host)))
        assert health.control(host, "/v1/events")[0] == 503


def test_one_that_does_not_read_hurts_nobody(world):
    """Its socket fills up, then what is kept for it; then it is cut off."""
    host = joined(world)
    deaf = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect(health.control_path(host))
    deaf.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
    with contextlib.closing(health.Events(host)) as events, contextlib.closing(deaf):
        for third in range(200, 230):
            world.peer(third)
            assert events.until("peer-came")
        assert status(host)["ready"]
