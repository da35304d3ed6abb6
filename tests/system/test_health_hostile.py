"""Slow and hostile clients of the health port, and what serving it costs."""

import contextlib
import socket
import threading
import time

import pytest

from harness import health
from harness.wait import wait_equal, wait_until

FLAG = f"--healthz-port={health.PORT}"


@pytest.fixture
def host(world):
    world.config()
    return world.host().start(FLAG)


def end_of(connection, timeout=30.0):
    """What comes until the other side closes."""
    connection.settimeout(timeout)
    text = b""
    try:
        while piece := connection.recv(65536):
            text += piece
    except ConnectionError:
        pass
    return text


def is_served(host):
    return health.get(host, "/healthz") == (200, "ok\n")


@pytest.mark.parametrize("junk", [
    b"\x00\xff\xfe" * 1000 + b"\r\n\r\n",
    b"\r\n" * 3000,
    b"GET\r\n\r\n",
    b"GET /healthz HTTP/9.9\r\n\r\n",
    b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\n" + b"X: " + b"y" * 100000 + b"\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 20000 + b"\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n" + b"z" * 100000,
    b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffff\r\n",
    b"GET /%00%2e%2e/%zz HTTP/1.1\r\nHost: x\r\n\r\n",
], ids=range(11))
def test_garbage_is_refused_and_harms_nobody(host, junk):
    with health.raw(host) as connection:
        with contextlib.suppress(OSError):  # it may have hung up already
            connection.sendall(junk)
            connection.shutdown(socket.SHUT_WR)
        answer = end_of(connection)
    assert not answer.startswith(b"HTTP/1.1 200")
    assert is_served(host)


def test_a_request_that_trickles_is_cut_off(host):
    """A byte a second keeps it from being quiet, but it has no more than 15 seconds."""
    with health.raw(host) as connection:
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            for byte in b"GET /healthz HTTP/1.1\r\nX-Long: " + b"a" * 200:
                connection.sendall(bytes([byte]))
                if time.monotonic() - began > 60:
                    break
                time.sleep(0.5)
        assert time.monotonic() - began < 60
    assert is_served(host)


def test_who_says_nothing_is_cut_off(host):
    with health.raw(host) as connection:
        assert end_of(connection, 60) == b""
    assert is_served(host)


def test_a_client_that_has_closed_its_half_gets_its_answer(host):
    with health.raw(host) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        assert end_of(connection).endswith(b"ok\n")


def test_others_are_served_beside_many_that_keep_quiet(host):
    """More than there is room for: the oldest go."""
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            connection = stack.enter_context(health.raw(host))
            with contextlib.suppress(ConnectionError):
                connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        for _ in range(5):
            assert is_served(host)


def test_connections_are_kept_and_pipelined_requests_answered(host):
    with health.raw(host) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        wanted = 20
        text = b""
        while text.count(b"ok\n") < wanted:
            text += connection.recv(65536)
        assert text.count(b"HTTP/1.1 200") == wanted


def test_idle_clients_cost_no_wake_ups(host):
    """One scrape; when its connection has been closed for being quiet, nothing moves."""
    client = health.Client(host.netns)
    assert client.ask("/metrics")[0] == 200
    time.sleep(8)
    client.close()
    time.sleep(1)
    before = health.context_switches(host.daemon.pid)
    time.sleep(5)
    assert health.context_switches(host.daemon.pid) - before <= 1


class Scraper:
    """About a thousand scrapes a second, over two connections that are kept."""

    def __init__(self, host):
        self.count = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(host,)) for _ in range(2)]
        for thread in self._threads:
            thread.start()

    def _run(self, host):
        client = health.Client(host.netns)
        with contextlib.closing(client):
            while not self._stop.is_set():
                assert client.ask("/metrics")[0] == 200
                self.count += 1
                time.sleep(0.001)

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()


def delays(world, host, thirds):
    """How long each of some peers takes from etcd's answer to the row."""
    taken = []
    for third in thirds:
        began = time.monotonic()
        peer = world.peer(third)
        wait_until(lambda: f"{peer.subnet} " in host.netns.run(
            "ip", "route", "show", peer.subnet).stdout + " ", "the route stands", 10, 0.002)
        taken.append(time.monotonic() - began)
    return sorted(taken)


def test_scraping_does_not_hold_up_routes(world, host):
    """Compared with the same without it, by the median, so that a busy machine does not matter."""
    without = delays(world, host, range(200, 220))
    scraper = Scraper(host)
    began = time.monotonic()
    try:
        beside = delays(world, host, range(220, 250))
        time.sleep(max(0.0, 5 - (time.monotonic() - began)))
    finally:
        scraper.stop()
    rate = scraper.count / (time.monotonic() - began)
    assert rate > 50, "so much even on a busy machine"
    median = len(beside) // 2
    print(f"{rate:.0f} scrapes/s: {without[10] * 1e3:.1f} ms, {beside[median] * 1e3:.1f} ms")
    assert beside[median] < 3 * without[10] + 0.1
    wait_equal(lambda: health.metrics(host)["flanneld_leases"], 50, "all are there")
