"""Network config and leases from a file, without an etcd."""

import json
import os
import signal
import stat
import time

import pytest

from harness import kernel
from harness.netns import run
from harness.wait import holds, wait_until
from harness.world import FakePeer
from test_cli import flanneld


class File:
    """What all hosts of a world read: an entry for each, and for fake peers."""

    def __init__(self, world):
        self.world = world
        os.mkdir(f"{world.folder}/etc", 0o755)
        self.path = f"{world.folder}/etc/network.json"
        self.entries = []

    def text(self, entries=None):
        config = {"Network": "10.5.0.0/16",
                  "Backend": {"Type": "vxlan", "VNI": self.world.vni}}
        return json.dumps({**config, "Leases": self.entries if entries is None else entries},
                          indent=1)

    def add(self, third, address, **members):
        entry = {"Subnet": f"10.5.{third}.0/24", "PublicIP": address, **members}
        self.entries.append(entry)
        return entry

    def peer(self, third):
        """A fake peer in the list; its MAC follows from its address."""
        address = f"192.168.200.{third}"
        self.add(third, address)
        return FakePeer(f"10.5.{third}.0/24", address, plain_mac(address))

    def drop(self, peer):
        self.entries = [e for e in self.entries if e["Subnet"] != peer.subnet]

    def write(self, text=None):
        """In place, as a careless script does it."""
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(self.text() if text is None else text)

    def replace(self, text=None):
        """As editors do it."""
        final, self.path = self.path, self.path + "~"
        self.write(text)
        os.rename(self.path, final)
        self.path = final

    def start(self, host, *flags, **options):
        return host.start(f"--store=file://{self.path}", *flags, **options)

    def joined(self, count, *flags):
        hosts = [self.world.host() for _ in range(count)]
        for number, host in enumerate(hosts, 1):
            self.add(number, host.address)
        self.replace()
        for host in hosts:
            self.start(host, *flags)
        for host in hosts:
            host.wait_peers(*(other for other in hosts if other is not host))
        return hosts


def plain_mac(address):
    return "0e:f1:" + ":".join(f"{int(byte):02x}" for byte in address.split("."))


@pytest.fixture
def file(world):
    return File(world)


def test_two_hosts_need_no_etcd(world, file):
    hosts = file.joined(2)
    here, there = (world.container(host) for host in hosts)
    here.reach(there)
    assert [host.subnet for host in hosts] == ["10.5.1.0/24", "10.5.2.0/24"]
    assert [host.mac for host in hosts] == [plain_mac(host.address) for host in hosts]
    assert world.leases() == []
    assert oct(stat.S_IMODE(os.stat(file.path).st_mode)) == "0o644"
    assert "may write to it" not in hosts[0].log()


@pytest.mark.parametrize("change", [File.replace, File.write])
def test_peers_come_change_and_go_as_the_file_is_edited(file, change):
    (host,) = file.joined(1)
    goes, stays = file.peer(200), file.peer(201)
    change(file)
    host.wait_peers(goes, stays)
    file.drop(goes)
    comes = file.peer(202)
    change(file)
    host.wait_peers(stays, comes)
    file.drop(stays)
    file.add(201, "192.168.203.1", BackendData={"VtepMAC": "0a:00:00:00:00:01"})
    change(file)
    host.wait_peers(comes, FakePeer("10.5.201.0/24", "192.168.203.1", "0a:00:00:00:00:01"))


def test_a_torn_file_or_garbage_changes_nothing_and_is_said_once(world, file):
    hosts = file.joined(2)
    here, there = (world.container(host) for host in hosts)
    here.reach(there)
    stream = here.stream(there, 4)
    whole = file.text()
    with open(file.path, "w", encoding="utf-8") as torn:
        torn.write(whole[:100])
        torn.flush()
        holds(lambda: hosts[0].peers() != {}, "the peer stays", 0.3)
    hosts[0].wait_log("not JSON")
    for text in ("", "\0" * 300, "[" * 100000, "{}", '{"Leases": []}', "x" * 2000000):
        file.write(text)
        holds(lambda: hosts[0].peers() != {}, "the peer stays", 0.2)
    os.unlink(file.path)
    hosts[0].wait_log("No such file")
    file.replace(whole)
    hosts[0].wait_log("can be used again")
    assert stream.lost() == 0
    log = hosts[0].log()
    assert log.count("not a regular file") == 0 and log.count("too large") == 1
    assert log.count("line 1") <= 4
    hosts[0].wait_peers(hosts[1])


def test_a_bad_entry_is_named_once_and_affects_only_itself(file):
    (host,) = file.joined(1)
    known = file.peer(200)
    file.replace()
    host.wait_peers(known)
    file.entries[-1]["PublicIP"] = "localhost"
    other = file.peer(201)
    file.replace()
    host.wait_peers(known, other)
    file.peer(202)
    file.replace()
    wait_until(lambda: len(host.peers()) == 3, "the third peer")
    assert host.log().count('Leases[1] (10.5.200.0/24): PublicIP is "localhost"') == 1


def test_a_subnet_that_cannot_be_read_removes_nobody(file):
    (host,) = file.joined(1)
    known = file.peer(200)
    file.replace()
    host.wait_peers(known)
    file.entries[-1]["Subnet"] = "10.5.200.0/2"
    other = file.peer(201)
    file.replace()
    host.wait_peers(known, other)
    host.wait_log("Leases[1]: Subnet is")
    file.drop(FakePeer("10.5.200.0/2", None, None))
    file.replace()
    host.wait_peers(other)


def test_the_file_and_then_the_own_lease_are_waited_for(file):
    host = file.world.host()
    file.start(host, ready=False)
    host.wait_log("No such file")
    file.replace()
    host.wait_log(f"no lease with the PublicIP {host.address}")
    assert any(m.startswith("STATUS=waiting for /") for m in host.notify.poll())
    file.add(7, host.address)
    file.replace()
    host.wait_ready()
    assert host.subnet == "10.5.7.0/24"


def test_restarts_lose_no_packet_and_find_who_has_left(world, file):
    hosts = file.joined(2)
    gone = file.peer(200)
    file.replace()
    hosts[0].wait_peers(hosts[1], gone)
    here, there = (world.container(host) for host in hosts)
    here.reach(there)
    stream = here.stream(there, 6)
    assert hosts[0].stop() == 0
    file.drop(gone)
    file.replace()
    file.start(hosts[0])
    hosts[0].wait_peers(hosts[1])
    hosts[1].kill()
    file.start(hosts[1])
    hosts[1].wait_peers(hosts[0])
    assert stream.lost() == 0


def test_a_device_of_an_earlier_life_with_etcd_gets_the_mac_that_the_others_go_by(world, file):
    world.config()
    host = world.host().start()
    before = host.mac
    assert host.stop() == 0
    file.add(1, host.address)
    file.replace()
    file.start(host)
    assert host.mac == plain_mac(host.address) != before
    host.netns.batch(f"link set {host.device} address 0a:00:00:00:00:09")
    wait_until(lambda: host.mac == plain_mac(host.address), "its MAC is put back")


def test_a_mac_in_the_file_is_the_one_that_is_used(world, file):
    hosts = [world.host() for _ in range(2)]
    file.add(1, hosts[0].address, BackendData={"VtepMAC": "0a:00:00:00:01:01"})
    file.add(2, hosts[1].address)
    file.replace()
    for host in hosts:
        file.start(host)
    assert hosts[0].mac == "0a:00:00:00:01:01"
    hosts[1].wait_peers(hosts[0])
    here, there = (world.container(host) for host in hosts)
    here.reach(there)


@pytest.mark.parametrize("now, reason", [
    ({"PublicIP": "192.168.200.9"}, "our subnet is held by 192.168.200.9"),
    ({"Subnet": "10.5.99.0/24"}, "our subnet is 10.5.99.0/24"),
    ({"BackendData": {"VtepMAC": "0a:00:00:00:01:01"}}, "our lease was changed"),
])
def test_an_own_lease_that_changes_ends_flanneld(file, now, reason):
    (host,) = file.joined(1)
    peer = file.peer(200)
    file.replace()
    host.wait_peers(peer)
    file.entries[0].update(now)
    file.replace()
    assert host.wait_exit() == 6
    assert reason in host.log()
    assert peer.subnet in host.peers(), "forwarding stays as it is"


def test_an_own_lease_that_is_missing_is_said_and_kept(file):
    (host,) = file.joined(1)
    own = file.entries.pop(0)
    peer = file.peer(200)
    file.replace()
    host.wait_log("is not there any more")
    host.wait_peers(peer)
    file.entries.append(own)
    file.replace()
    host.wait_log("is there again")
    assert host.daemon.running()


def test_the_operator_may_name_the_lease(file):
    """Behind an address translator, say: the host does not have the address of its lease."""
    host = file.world.host()
    file.add(9, "192.168.200.200")
    file.replace()
    file.start(host, "--subnet=10.5.9.0/24", "--public-ip=192.168.200.200")
    assert host.subnet == "10.5.9.0/24"
    assert host.stop() == 0
    file.start(host, "--subnet=10.5.9.0/24")
    assert "--public-ip=192.168.200.200 tells" in host.log()


def test_a_release_at_the_end_is_no_error(file):
    host = file.world.host()
    file.add(1, host.address)
    file.replace()
    file.start(host, "--release-on-exit")
    assert host.stop() == 0
    assert "our lease stays" in host.log()


def test_what_others_may_write_draws_a_warning(file):
    host = file.world.host()
    file.add(1, host.address)
    file.replace()
    os.chmod(file.path, 0o666)
    file.start(host)
    assert host.log().count("every user may write to it") == 1


def test_other_backends_need_nothing_but_the_addresses(world, file):
    hosts = [world.host() for _ in range(2)]
    for number, host in enumerate(hosts, 1):
        file.add(number, host.address)
    file.replace(file.text().replace('"vxlan"', '"host-gw"'))
    for host in hosts:
        file.start(host)
    hosts[0].wait_gateways(hosts[1])
    here, there = (world.container(host) for host in hosts)
    here.reach(there)


@pytest.fixture
def mounted_over(file):
    """A change that no watch announces: call it to have a mount over the folder."""
    folder = os.path.dirname(file.path)

    def mount():
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
    yield mount
    run("umount", folder)


def test_sighup_looks_at_the_file(file, mounted_over):
    (host,) = file.joined(1, "--no-sandbox")
    mounted_over()
    peer = file.peer(200)
    file.replace()
    host.daemon.send(signal.SIGHUP)
    host.wait_peers(peer)


def test_another_file_system_is_out_of_reach_and_all_stays(file, mounted_over):
    """The sandbox was made for the one that was there."""
    (host,) = file.joined(1)
    peer = file.peer(200)
    file.replace()
    host.wait_peers(peer)
    mounted_over()
    file.drop(peer)
    file.replace()
    host.daemon.send(signal.SIGHUP)
    host.wait_log("Permission denied; what it said before stays in force")
    host.wait_peers(peer)


def test_a_link_that_is_switched_is_followed(file):
    """Where it leads to now was never within reach of the sandbox by its own name."""
    host, folder = file.world.host(), os.path.dirname(file.path)
    file.add(1, host.address)
    for version in "one", "two":
        os.mkdir(f"{folder}/{version}")
    os.symlink("one", f"{folder}/current")
    file.path = f"{folder}/current/network.json"
    file.replace()
    file.start(host)
    peer = file.peer(200)
    file.path = f"{folder}/two/network.json"
    file.replace()
    os.symlink("two", f"{folder}/next")
    os.rename(f"{folder}/next", f"{folder}/current")
    host.wait_peers(peer)


def test_peers_are_found_after_the_folder_was_moved_into_place(file):
    host = file.world.host()
    file.add(1, host.address)
    folder = os.path.dirname(file.path)
    os.rename(folder, folder + ".new")
    file.start(host, ready=False)
    host.wait_log("No such file")
    path = file.path
    file.path = f"{folder}.new/network.json"
    file.replace()
    os.rename(folder + ".new", folder)
    host.wait_ready()
    file.path = path
    peer = file.peer(200)
    file.replace()
    host.wait_peers(peer)


@pytest.mark.parametrize("flags, said", [
    (["--store=file://etc/network.json"], "--store=file://etc/network.json: must be file:///PATH"),
    (["--store=/etc/network.json"], "--store=/etc/network.json: must be etcd or file:///PATH"),
    (["--store=consul://x"], "--store=consul://x: must be etcd or file:///PATH"),
    (["--subnet=10.5.1.0/24"], "--subnet=10.5.1.0/24: needs --store=file:///PATH, too"),
    (["--store=file:///x", "--subnet=10.5.1.1/24"], "--subnet=10.5.1.1/24: must be an IPv4"),
])
def test_a_bad_value_is_named(flags, said):
    done = flanneld(*flags)
    assert done.returncode == 2
    assert said in done.stderr and done.stderr.count("\n") == 1


# The folders above the file are watched, and tests beside this one make theirs in /tmp.
@pytest.mark.parametrize("folder", ["/run"], indirect=True)
def test_a_file_at_rest_wakes_nobody(file):
    (host,) = file.joined(1)
    time.sleep(6)  # what a start leaves to be done is done

    def slept():
        before = host.daemon.wake_ups()
        holds(host.daemon.running, "it runs", 2)
        return host.daemon.wake_ups() == before

    wait_until(slept, "it sleeps for two seconds", 30)
    assert kernel.device(host.netns, host.device)
