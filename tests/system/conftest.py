"""Fixtures: one underlay and one etcd for the session, one overlay network for each test."""

import os
import pathlib
import shutil
import signal
import tempfile

import pytest

from harness.build import BACKEND_DIR, FLANNELD
from harness.etcd import Etcd
from harness.modules import Modules
from harness.netns import leftovers
from harness.promises import PROMISES, shows
from harness.tls import Tls
from harness.underlay import Underlay
from harness.world import World


def pytest_addoption(parser):
    parser.addoption("--promise", metavar="ID,...",
                     help="only the tests that show these promises: harness/promises.py")


def pytest_collection_modifyitems(config, items):
    wanted = [name for name in (config.getoption("promise") or "").split(",") if name]
    for name in wanted:
        if name not in PROMISES:
            raise pytest.UsageError(f"--promise={name}: there are {', '.join(PROMISES)}")
    if wanted:
        items[:] = [item for item in items if any(shows(name, item.nodeid) for name in wanted)]


def pytest_configure():
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that finalizers run
    if os.geteuid() != 0:
        pytest.exit("the system tests need root, for network namespaces", returncode=1)
    for path in (FLANNELD, BACKEND_DIR):
        if not os.path.exists(path):
            pytest.exit(f"{path} is missing: run tests/build first", returncode=1)


@pytest.fixture(scope="session")
def underlay():
    made = Underlay()
    yield made
    made.close()
    assert leftovers() == []


@pytest.fixture(scope="session")
def shared_etcd(underlay):
    etcd = Etcd(underlay)
    yield etcd
    etcd.close()


@pytest.fixture
def folder(request):
    """Short, because the path of a socket has 107 bytes at most. In /tmp, or in the parameter."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="flanneld-test-",
                                         dir=getattr(request, "param", None)))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def modules():
    """Below /var/lib, because others may write to /tmp."""
    with tempfile.TemporaryDirectory(prefix="flanneld-test-", dir="/var/lib") as path:
        yield Modules(path)


@pytest.fixture
def api():
    """Which API of etcd holds a world's config and leases; tests of the store are parametrized:
    both_apis."""
    return 2


@pytest.fixture
def world(underlay, shared_etcd, folder, api):
    made = World(underlay, shared_etcd, folder, api)
    yield made
    made.close()


@pytest.fixture
def own_etcd(underlay):
    """An etcd that the test may stop, pause or lock."""
    etcd = Etcd(underlay)
    yield etcd
    etcd.close()


@pytest.fixture
def own_world(underlay, own_etcd, folder, api):
    made = World(underlay, own_etcd, folder, api)
    yield made
    made.close()


@pytest.fixture
def tls(tmp_path):
    return Tls(str(tmp_path))


@pytest.fixture
def tls_world(underlay, tls, folder, api):
    etcd = Etcd(underlay, tls)
    made = World(underlay, etcd, folder, api)
    try:
        yield made
    finally:
        made.close()
        etcd.close()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure comes with the log of every flanneld of the test."""
    del call
    report = (yield).get_result()
    if not report.failed:
        return
    for fixture in getattr(item, "funcargs", {}).values():
        for host in getattr(fixture, "hosts", ()):
            report.sections.append((f"flanneld at {host.address}", host.log()))
