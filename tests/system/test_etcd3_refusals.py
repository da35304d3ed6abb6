"""etcd's v3 API says no: what flanneld makes of it, and what it tells people to do."""

import os

import pytest

from harness.etcd import Etcd
from harness.tls import Tls
from harness.wait import holds, wait_until
from harness.world import World

PASSWORD = 's3cret: of & all="things"'


@pytest.fixture
def api():
    return 3


@pytest.fixture
def locked_world(underlay, folder):
    """Tokens last two seconds."""
    etcd = Etcd(underlay, flags=("--auth-token-ttl=2",))
    made = World(underlay, etcd, folder, 3)
    made.config()
    made.etcd.require_user("root", PASSWORD)
    yield made
    made.close()
    etcd.close()


def with_password(tmp_path, password=PASSWORD):
    path = tmp_path / "password"
    path.write_text(password + "\n", encoding="utf-8")
    path.chmod(0o600)
    return "--etcd-username=root", f"--etcd-password-file={path}"


def test_a_password_opens_a_locked_etcd_and_is_shown_nowhere(locked_world, tmp_path):
    world = locked_world
    host = world.host().start("-v=9", *with_password(tmp_path))
    world.etcd.log_in("root", PASSWORD)
    host.wait_peers(world.peer(200))
    assert PASSWORD not in host.log() and "Authorization" not in host.log()


def test_a_token_that_has_expired_is_renewed(locked_world, tmp_path):
    world = locked_world
    host = world.host().start("--subnet-lease-ttl=5s", *with_password(tmp_path))
    holds(host.daemon.running, "it runs while tokens expire", 12)
    world.etcd.log_in("root", PASSWORD)
    assert host.lease()["createdIndex"] == host.lease()["modifiedIndex"], "it was renewed"
    host.wait_peers(world.peer(200))
    assert "refused" not in host.log()


def test_a_wrong_password_is_said(locked_world, tmp_path):
    host = locked_world.host().start(*with_password(tmp_path, "wrong"), ready=False)
    host.wait_log("invalid user ID or password")
    assert host.daemon.running() and "wrong" not in host.log()


def test_a_missing_user_is_said_with_what_to_do(locked_world):
    host = locked_world.host().start(ready=False)
    host.wait_log("--etcd-username")
    assert host.daemon.running()


def test_a_password_where_none_is_needed_does_no_harm(world, tmp_path):
    world.config()
    host = world.host().start(*with_password(tmp_path))
    host.wait_peers(world.peer(200))


def tls_etcd(underlay, tmp_path, **changes):
    os.makedirs(tmp_path / "tls")
    tls = Tls(str(tmp_path / "tls"), **changes)
    return tls, Etcd(underlay, tls)


def client_flags(tls):
    return (f"--etcd-cafile={tls.ca}", f"--etcd-certfile={tls.client_cert}",
            f"--etcd-keyfile={tls.client_key}")


def test_a_server_certificate_without_client_usage_is_said(underlay, tmp_path, folder):
    """The gateway uses it to log in to its own server: every call of v3 fails, v2 works."""
    tls, etcd = tls_etcd(underlay, tmp_path, **{"=serverAuth,clientAuth": "=serverAuth"})
    world = World(underlay, etcd, folder, 2)
    try:
        only_v3 = world.host().start("--etcd-api=3", *client_flags(tls), ready=False)
        only_v3.wait_log("clientAuth", timeout=30)
        assert only_v3.daemon.running()
        world.config()
        either = world.host().start(*client_flags(tls))
        assert "using the v2 API" in either.log() and "clientAuth" in either.log()
    finally:
        world.close()
        etcd.close()


def test_a_client_certificate_with_a_common_name_is_said(underlay, tmp_path, folder):
    tls, etcd = tls_etcd(underlay, tmp_path, **{"/O=overlay/OU=client": "/CN=host1"})
    world = World(underlay, etcd, folder, 3)
    try:
        world.config()
        world.etcd.lock("root", PASSWORD)
        host = world.host().start(*client_flags(tls), *with_password(tmp_path), ready=False)
        host.wait_log("CommonName", timeout=20)
        assert "use one without" in host.log()
        wait_until(host.daemon.running, "it waits")
    finally:
        world.close()
        etcd.close()
