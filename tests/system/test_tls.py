"""TLS to etcd: certificates that change under load, that are wrong in each way, and what is said."""

import contextlib
import http.server
import json
import os
import re
import shutil
import signal
import socket
import ssl
import struct
import threading
import time
import urllib.request

import pytest

from harness import health
from harness.apis import both_apis
from harness.etcd import Etcd
from harness.tls import Authority
from harness.wait import holds, wait_until
from harness.world import World


class Files:
    """The certificate files of etcd and of this test's own requests, and those of flanneld."""

    def __init__(self, folder):
        self.authority = Authority(f"{folder}/authority", "test CA")
        self.folder = f"{folder}/tls"
        os.mkdir(self.folder, 0o755)
        self.ca = f"{self.folder}/trusted.crt"
        self.server_cert, self.server_key = f"{self.folder}/server.crt", f"{self.folder}/server.key"
        self.client_cert, self.client_key = f"{self.folder}/writer.crt", f"{self.folder}/writer.key"
        os.mkdir(f"{self.folder}/host", 0o755)
        self.host_ca, self.host_cert, self.host_key = (
            f"{self.folder}/host/{name}" for name in ("ca.crt", "client.crt", "client.key"))
        self.address = None

    def issue(self, address):
        """Called by Etcd before it starts."""
        self.address = address
        self.trust(self.authority)
        self.serve()
        self.show()
        cert, key = self.authority.issue("writer")
        self.replace(cert, self.client_cert)
        self.replace(key, self.client_key)

    def trust(self, *authorities):
        """Both sides do, flanneld at once, etcd when it starts."""
        both = f"{self.folder}/bundle"
        with open(both, "w", encoding="ascii") as bundle:
            for authority in authorities:
                with open(authority.cert, encoding="ascii") as file:
                    bundle.write(file.read())
        self.replace(both, self.ca)
        self.replace(both, self.host_ca)

    def serve(self, authority=None, **options):
        options.setdefault("names", f"IP:{self.address},IP:127.0.0.1")
        cert, key = (authority or self.authority).issue("server", **options)
        self.replace(cert, self.server_cert)
        self.replace(key, self.server_key)

    def show(self, authority=None, **options):
        cert, key = (authority or self.authority).issue("client", **options)
        self.replace(cert, self.host_cert)
        self.replace(key, self.host_key)

    @staticmethod
    def replace(source, target):
        shutil.copy(source, target + "~")
        os.chmod(target + "~", 0o600)
        os.rename(target + "~", target)

    def flags(self):
        return (f"--etcd-cafile={self.host_ca}", f"--etcd-certfile={self.host_cert}",
                f"--etcd-keyfile={self.host_key}")


@pytest.fixture
def files(tmp_path):
    return Files(str(tmp_path))


@pytest.fixture
def secure(underlay, files, folder, api):
    etcd = Etcd(underlay, files)
    made = World(underlay, etcd, folder, api)
    made.config()
    try:
        yield made
    finally:
        made.close()
        etcd.close()


# --- change


@both_apis
def test_all_certificates_are_exchanged_while_flanneld_runs(secure, files):
    """The authority too: both sides trust the old and the new one for a while."""
    hosts = secure.joined(2, *files.flags())
    here, there = (secure.container(host) for host in hosts)
    here.reach(there)
    stream = here.stream(there, 8)
    new = Authority(f"{files.folder}/new", "the next CA")
    files.trust(files.authority, new)
    secure.etcd.restart()
    files.show(new)
    files.serve(new)
    wait_until(lambda: all("client): changed, and used" in host.log() for host in hosts),
               "the new certificate is taken")
    cert, key = new.issue("writer")
    files.replace(cert, files.client_cert)
    files.replace(key, files.client_key)
    files.trust(new)
    secure.etcd.restart()
    known = secure.peer(200)
    for host, other in (hosts, reversed(hosts)):
        host.wait_peers(other, known, timeout=20)
    assert stream.lost() == 0
    assert all(host.daemon.running() for host in hosts)


def write(path, text):
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


BAD = {
    "another key": (lambda f: f.replace(f.authority.issue("x")[1], f.host_key),
                    "client.key: is not that of certificate"),
    "expired": (lambda f: f.show(days=-1), "client.crt (O=overlay, OU=client): expired on"),
    "torn": (lambda f: write(f.host_cert, "-----BEGIN CERTIFICATE-----\nMIIB"),
             "client.crt: no PEM certificate in it"),
    "passphrase": (lambda f: write(f.host_key, "-----BEGIN ENCRYPTED PRIVATE KEY----"),
                   "client.key: no PEM key in it that needs no passphrase"),
    "missing": (lambda f: os.unlink(f.host_key), "client.key: No such file or directory"),
    "no CA": (lambda f: write(f.host_ca, "garbage"), "ca.crt: no PEM certificate in it"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_by_name_and_the_old_one_kept(secure, files, name):
    spoil, said = BAD[name]
    host = secure.host().start(*files.flags())
    spoil(files)
    host.wait_log(said)
    assert host.log().count("what was in use before stays") == 1
    secure.etcd.restart()
    host.wait_peers(secure.peer(200), timeout=20)
    files.trust(files.authority)
    files.show()
    host.wait_log("all is well with them again")


class Recorder:
    """A TLS server before etcd that writes down who makes each request, and when."""

    def __init__(self, world, files):
        self.requests = []
        recorder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self):
                serial = int(self.connection.getpeercert()["serialNumber"], 16)
                recorder.requests.append((id(self.connection), serial, self.path))
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, text, index = recorder.ask(
                    self.command, self.path, body, dict(self.headers))
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                if index:
                    self.send_header("X-Etcd-Index", index)
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_PUT = do_POST = do_DELETE = forward

            def log_message(self, *args):
                pass

        self.etcd = world.etcd
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.server_cert, files.server_key)
        context.load_verify_locations(files.authority.cert)
        context.verify_mode = ssl.CERT_REQUIRED
        with self.etcd.netns.entered():
            self.server = http.server.ThreadingHTTPServer((self.etcd.address, 12379), Handler)
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def ask(self, method, path, body, headers):
        with self.etcd.netns.entered():
            request = urllib.request.Request(
                f"http://{self.etcd.address}:2379{path}", data=body or None, method=method,
                headers={"Content-Type": headers.get("Content-Type", "text/plain")})
            try:
                with urllib.request.urlopen(request, timeout=400) as answer:
                    return answer.status, answer.read(), answer.headers.get("X-Etcd-Index")
            except urllib.error.HTTPError as error:
                return error.code, error.read(), error.headers.get("X-Etcd-Index")

    def serials(self):
        return [serial for _, serial, _ in self.requests]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def test_no_request_goes_out_on_a_connection_of_before_the_change(own_world, files):
    world = own_world
    world.config()
    files.issue(world.etcd.address)
    recorder = Recorder(world, files)
    try:
        host = world.host().start(
            *files.flags(), f"--etcd-endpoints=https://{world.etcd.address}:12379",
            "--subnet-lease-ttl=5s")
        known = world.peer(200)
        host.wait_peers(known)
        (old,) = set(recorder.serials())
        files.show()
        host.wait_log("changed, and used for the next connection")
        before = len(recorder.requests)
        host.wait_peers(known, world.peer(201))
        wait_until(lambda: len(recorder.requests) >= before + 6, "renewals and polls", 30)
        assert old not in recorder.serials()[before:]
    finally:
        recorder.close()


def test_the_same_bytes_written_again_are_no_change(secure, files):
    host = secure.host().start(*files.flags())
    files.replace(files.host_cert, files.host_cert + ".copy")
    files.replace(files.host_cert + ".copy", files.host_cert)
    holds(host.daemon.running, "it runs", 1.5)
    assert "changed, and used" not in host.log()


def test_the_end_of_a_certificate_is_announced(secure, files):
    files.show(days=5)  # what remains is a little less
    host = secure.host().start(*files.flags())
    assert re.search(r"client\.crt \(O=overlay, OU=client\): expires on 20\d\d-.* UTC, in [45] days",
                     host.log())
    files.show(days=40)
    host.wait_log("changed, and used for the next connection")
    assert host.log().count(": expires on") == 1


def certificates(host):
    return json.loads(health.control(host, "/v1/status")[1])["certificates"]


def test_the_ends_of_certificates_are_shown(secure, files):
    files.show(days=5)
    host = secure.host().start(*files.flags(), "--healthz-port=8471")
    in_days = {item["file"]: (item["expires"] - time.time()) / 86400
               for item in certificates(host)}
    assert list(in_days) == [files.host_cert, files.host_ca]
    assert 4.9 < in_days[files.host_cert] < 5.1 and in_days[files.host_ca] > 5
    (end,) = [value for name, value in health.metrics(host).items() if
              name.startswith("flanneld_certificate_expiry") and files.host_cert in name]
    assert 4.9 < (end - time.time()) / 86400 < 5.1
    files.show(days=40)
    wait_until(lambda: certificates(host)[0]["expires"] > time.time() + 39 * 86400,
               "the new one is shown")


def test_a_key_that_all_can_read_draws_a_warning(secure, files):
    os.chmod(files.host_key, 0o644)
    host = secure.host().start(*files.flags())
    assert host.log().count("client.key: every user can read or write it") == 1


# --- what is said


def refused(world, *flags, endpoint=None):
    host = world.host().start(
        *flags, *([f"--etcd-endpoints={endpoint}"] if endpoint else []), ready=False)
    host.wait_log("; retrying", timeout=30)
    return next(line for line in host.log().splitlines() if "; retrying" in line)


def test_another_authority_is_named_and_whom_we_trust(secure, files, tmp_path):
    stranger = Authority(f"{tmp_path}/stranger", "somebody else")
    line = refused(secure, *files.flags(), f"--etcd-cafile={stranger.cert}")
    assert f'issued by "CN=test CA", which is not among {stranger.cert}' in line
    assert f"IP:{files.address}" in line


def test_an_expired_server_is_named_with_its_date(secure, files):
    files.serve(days=-1)
    assert re.search(r"certificate of [\d.]+:2379 \(O=overlay, OU=server, for IP:[^)]*\): "
                     r"expired on 20\d\d-", refused(secure, *files.flags()))


def test_a_server_of_another_name_is_named_with_whom_it_is_for(secure, files):
    files.serve(names="DNS:etcd.example.net,IP:127.0.0.1")
    line = refused(secure, *files.flags())
    assert "for DNS:etcd.example.net, IP:127.0.0.1" in line
    assert "not for the name or address" in line


def test_a_missing_client_certificate_is_said(secure, files):
    line = refused(secure, f"--etcd-cafile={files.host_ca}")
    assert ("wants a client certificate, and none is given" in line or
            "does it want a client certificate?" in line)


def test_a_client_certificate_of_a_stranger_is_said(secure, files, tmp_path):
    files.show(Authority(f"{tmp_path}/stranger", "somebody else"))
    assert re.search(r"refuses certificate \S+client\.crt: it (does not trust who has issued it|"
                     r"cannot be used)|does it accept our client certificate\?",
                     refused(secure, *files.flags()))


def test_an_expired_client_certificate_is_said_before_it_is_shown(secure, files):
    files.show(days=-1)
    assert "client.crt (O=overlay, OU=client): expired on" in refused(secure, *files.flags())


def test_a_file_that_is_not_there_is_named(secure, files):
    flags = files.flags()
    os.unlink(files.host_key)
    assert "client.key: No such file or directory" in refused(secure, *flags)


def test_files_that_come_later_are_used(secure, files):
    flags = files.flags()
    os.rename(f"{files.folder}/host", f"{files.folder}/later")
    host = secure.host().start(*flags, ready=False)
    host.wait_log("No such file or directory", timeout=30)
    os.rename(f"{files.folder}/later", f"{files.folder}/host")
    host.wait_ready(timeout=20)


def test_a_server_without_tls_is_said(own_world, files):
    own_world.config()
    line = refused(own_world, endpoint=f"https://{own_world.etcd.address}:2379")
    assert "does not speak TLS; is it http://?" in line or "; does it speak TLS?" in line


def end_handshakes(listener, reset):
    """Ends each connection once its client has spoken: by FIN, or by RST."""
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            with client:
                client.recv(65536)
                if reset:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
def test_a_server_that_ends_the_handshake_is_said(own_world, reset):
    own_world.config()
    with own_world.etcd.netns.entered():
        listener = socket.create_server((own_world.etcd.address, 0))
    with listener:
        thread = threading.Thread(target=end_handshakes, args=(listener, reset))
        thread.start()
        name = f"{own_world.etcd.address}:{listener.getsockname()[1]}"
        line = refused(own_world, endpoint=f"https://{name}")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert f"{name} has ended the TLS handshake; does it speak TLS?" in line


def test_connection_refused_is_said(world):
    world.config()
    assert "Connection refused" in refused(world, endpoint="http://127.0.0.1:1")


def test_a_name_that_does_not_exist_is_said(world):
    world.config()
    line = refused(world, endpoint="http://nowhere.invalid:2379")
    assert "nowhere.invalid:2379: " in line and "name" in line


def test_an_address_that_drops_packets_is_said_with_how_long_it_was_tried(world):
    world.config()
    host = world.host()
    host.cut_off(world.etcd.address)
    host.start(ready=False)
    host.wait_log("; retrying", timeout=40)
    assert re.search(r"2379: no connection within \d+ ms", host.log())


def test_an_address_that_nobody_has_is_said(world):
    world.config()
    assert "No route to host" in refused(world, endpoint="http://192.168.255.253:2379")


def test_a_handshake_without_end_is_said(secure, files):
    secure.etcd.pause()
    try:
        line = refused(secure, *files.flags())
    finally:
        secure.etcd.process.send(signal.SIGCONT)
    assert re.search(r"no TLS handshake within \d+ ms", line)
