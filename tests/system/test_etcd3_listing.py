"""The listing of all leases goes over gRPC where that can be, and else by etcd's gateway."""

import os
import threading

import pytest

from harness.etcd import Etcd
from harness.kinds import WIDE, configure, crowd
from harness.relay import Relay, pump
from harness.tls import Tls
from harness.wait import wait_until
from harness.world import World

PASSWORD = "s3cret"
MANY = 300  # leases: more than fits into what is let through of an answer that breaks off


@pytest.fixture
def api():
    return 3


def closes(_client, _first, _server):
    """A proxy that does not like it."""


def refuses(client, _first, _server):
    client.sendall(b"HTTP/1.1 505 HTTP Version Not Supported\r\nContent-Length: 0\r\n\r\n")
    client.recv(1)


def is_silent(client, _first, _server):
    while client.recv(65536):
        pass


def breaks_off(client, first, server):
    server.sendall(first)
    threading.Thread(target=pump, args=(client, server), daemon=True).start()
    pump(server, client, 20000)


def passes(client, first, server):
    server.sendall(first)
    threading.Thread(target=pump, args=(client, server), daemon=True).start()
    pump(server, client)


@pytest.mark.parametrize("http2", [passes, closes, refuses, is_silent, breaks_off])
def test_the_listing_comes_whatever_is_in_between(own_world, http2):
    world = own_world
    configure(world, "vxlan", **WIDE)
    crowd(world, "vxlan", MANY)
    relay = Relay(world.etcd, http2)
    try:
        host = world.host().start("-v=1", f"--etcd-endpoints={relay.endpoint}", ready=False)
        host.wait_ready(timeout=30)
        wait_until(lambda: len(host.peers()) == MANY, "all peers are reached", timeout=30)
        assert relay.asked == 1 and relay.passed >= 1
        assert (f"{MANY} keys listed over gRPC" in host.log()) == (http2 is passes)
        assert ("asking the gateway" in host.log()) == (http2 is not passes)
    finally:
        relay.close()


def test_a_locked_etcd_lists_over_grpc(underlay, folder, tmp_path):
    etcd = Etcd(underlay)
    world = World(underlay, etcd, folder, 3)
    try:
        world.config()
        world.etcd.require_user("root", PASSWORD)
        path = tmp_path / "password"
        path.write_text(PASSWORD + "\n", encoding="utf-8")
        path.chmod(0o600)
        host = world.host().start("-v=1", "--etcd-username=root", f"--etcd-password-file={path}")
        host.wait_log("keys listed over gRPC")
    finally:
        world.close()
        etcd.close()


def test_tls_lists_over_grpc(underlay, folder, tmp_path):
    os.makedirs(tmp_path / "tls")
    tls = Tls(str(tmp_path / "tls"))
    etcd = Etcd(underlay, tls)
    world = World(underlay, etcd, folder, 3)
    try:
        world.config()
        host = world.host().start("-v=1", f"--etcd-cafile={tls.ca}",
                                  f"--etcd-certfile={tls.client_cert}",
                                  f"--etcd-keyfile={tls.client_key}")
        host.wait_log("keys listed over gRPC")
        host.wait_peers(world.peer(200))
    finally:
        world.close()
        etcd.close()
