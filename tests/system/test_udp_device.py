"""Backend udp: its device, its peers and its process come and go; traffic goes on."""

import signal
import threading
import time

import pytest

from harness import kernel, udp
from harness.packets import Capture
from harness.traffic import Mailbox, Transfer
from harness.wait import wait_until

SIZE = 400 << 20


def _under_way(first, second, size=SIZE):
    transfer = Transfer(first.netns, second.netns, second.address, size)
    wait_until(lambda: transfer.done > size // 50, "the transfer is under way")
    return transfer


@pytest.mark.parametrize("keys", [{}, {"Threads": 2}], ids=["one_thread", "two_threads"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_transfer_outlives_a_restart(world, number, keys):
    udp.config(world, **keys)
    first, second = udp.joined(world, 2)
    transfer = _under_way(first, second)
    for container in (second, first):
        before = udp.index(container.host)
        ended = container.host.daemon.stop(number)
        assert ended == (0 if number == signal.SIGTERM else -signal.SIGKILL)
        assert transfer.running()
        container.host.start()
        assert udp.index(container.host) == before
        assert "flannel0 adopted" in container.host.log()
        done = transfer.done
        wait_until(lambda: transfer.done > done or not transfer.running(), "it goes on")
    transfer.finish()


def test_the_other_number_of_threads_makes_a_new_device(world):
    udp.config(world)
    first, second = udp.joined(world, 2)
    for threads in (2, 1):
        udp.config(world, Threads=threads)
        first.host.restart()
        first.reach(second)
        link = first.host.netns.json(f"ip link show {udp.DEVICE}")[0]
        assert link["linkinfo"]["info_data"]["multi_queue"] is (threads > 1)


@pytest.mark.parametrize("keys", [{}, {"Threads": 2}], ids=["one_thread", "two_threads"])
def test_a_deleted_device_comes_back_under_load(world, keys):
    udp.config(world, **keys)
    first, second = udp.joined(world, 2)
    transfer = _under_way(first, second)
    before = udp.index(first.host)
    address = kernel.addresses(first.host.netns, udp.DEVICE)
    for _ in range(3):
        first.host.netns.batch(f"link del {udp.DEVICE}")
        wait_until(lambda: udp.index(first.host) == before, "the device is back")
        wait_until(lambda: first.host.netns.json(f"ip route show dev {udp.DEVICE}"), "its route")
    assert kernel.addresses(first.host.netns, udp.DEVICE) == address
    first.reach(second)
    transfer.finish()


def test_it_ends_at_once_under_load(world):
    udp.config(world)
    first, second = udp.joined(world, 2)
    transfer = _under_way(first, second)
    began = time.monotonic()
    assert first.host.stop() == 0
    assert second.host.stop() == 0
    print(f"both ended within {time.monotonic() - began:.3f} s")
    first.host.start()
    second.host.start()
    transfer.finish()


def test_peers_come_and_go_under_load(world):
    udp.config(world)
    first, second = udp.joined(world, 2)
    transfer = _under_way(first, second)
    rounds = 0
    while transfer.running() and rounds < 20:
        for third in range(200, 240):
            udp.put_peer(world, third, ttl=3600)
        for third in range(200, 240):
            world.etcd.delete(world.key(f"10.5.{third}.0/24"))
        rounds += 1
    transfer.finish()
    assert rounds > 0
    first.reach(second)


def test_a_changed_lease_takes_effect(world):
    """Datagrams to a peer go to its new address from some moment on: print how long that takes."""
    udp.config(world)
    host = world.host().start()
    outside = [world.outsider() for _ in range(2)]
    captures = [world.keep(Mailbox(netns, 10.0, port=udp.PORT)) for netns, _ in outside]
    udp.put_peer(world, 77, outside[0][1])
    sender = world.keep(Mailbox(host.netns))
    stop = threading.Event()

    def flood():
        while not stop.is_set():
            try:
                sender.send(time.monotonic_ns().to_bytes(8, "big"), "10.5.77.2", 9)
            except OSError:
                pass
            time.sleep(0.0002)
    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    try:
        captures[0].receive()
        for turn in range(1, 6):
            captures[turn % 2].socket.setblocking(False)
            _drain(captures[turn % 2])
            captures[turn % 2].socket.settimeout(10)
            udp.put_peer(world, 77, outside[turn % 2][1])
            answered = time.monotonic_ns()
            captures[turn % 2].receive()
            print(f"{(time.monotonic_ns() - answered) / 1e6:.2f} ms after etcd's answer")
    finally:
        stop.set()
        thread.join()


def _drain(mailbox):
    while True:
        try:
            mailbox.receive()
        except BlockingIOError:
            return


def test_two_networks_on_one_host_have_a_device_each(world, underlay, shared_etcd, tmp_path):
    udp.config(world, Threads=2)
    first = world.host().start()
    shared_etcd.put(f"{world.prefix}-b/config",
                    '{"Network": "10.77.0.0/16", "Backend": '
                    '{"Type": "udp", "Port": 8286, "Threads": 2}}')
    second = world.neighbour(first)
    second.start(f"--etcd-prefix={world.prefix}-b")
    assert kernel.addresses(first.netns, "flannel0")[0].startswith("10.5.")
    assert kernel.addresses(first.netns, "flannel1")[0].startswith("10.77.")
    first.restart()
    assert second.stop() == 0
    second.start(f"--etcd-prefix={world.prefix}-b")
    assert kernel.addresses(first.netns, "flannel0")[0].startswith("10.5.")
    assert kernel.addresses(first.netns, "flannel1")[0].startswith("10.77.")
    assert kernel.device(first.netns, "flannel2") is None


@pytest.mark.parametrize("occupied", [
    "link add flannel0 type veth", "tuntap add dev flannel0 mode tap",
    "link add flannel0 type bridge"])
def test_a_device_of_another_kind_is_passed_over(world, occupied):
    udp.config(world)
    host = world.host()
    host.netns.batch(occupied)
    before = udp.index(host)
    host.start()
    assert udp.index(host) == before
    assert kernel.addresses(host.netns, "flannel1") == [host.subnet.replace("/24", "/32")]


def test_the_port_and_the_mtu_of_the_config(world):
    udp.config(world, Port=9000, MTU=1300)
    first, second = udp.joined(world, 2)
    assert first.mtu == 1272
    capture = Capture(first.host.netns, "eth0")
    assert first.pings(second.address)
    ports = {(p[20:22], p[22:24]) for p in capture.taken() if p[9] == 17 and p[0] == 0x45}
    capture.close()
    assert ((9000).to_bytes(2, "big"), (9000).to_bytes(2, "big")) in ports


def test_the_port_is_taken(world):
    udp.config(world)
    host = world.host()
    squatter = Mailbox(host.netns, address=host.address, port=udp.PORT)
    host.start(ready=False)
    assert host.wait_exit() == 4
    squatter.close()
    assert "UDP port 8285" in host.log()
    host.daemon = None


@pytest.mark.parametrize("threads", [1, 2])
def test_a_second_flanneld_cannot_join_in(world, threads):
    udp.config(world, Threads=threads)
    first = world.host().start()
    second = world.neighbour(first)
    second.start(ready=False)
    assert second.wait_exit() == 4
    assert "UDP port 8285" in second.log()
    second.daemon = None
    link = first.netns.json("ip link show flannel0")[0]
    if threads > 1:
        assert link["linkinfo"]["info_data"]["numqueues"] == threads


def test_a_device_that_waits_for_its_lease_is_not_taken_over(world):
    """The first has no lease yet, so its device no address; many queues, so the kernel allows it."""
    world.config("10.5.0.0/28", SubnetLen=30, SubnetMin="10.5.0.4", SubnetMax="10.5.0.4",
                 Backend={"Type": "udp", "Threads": 2})
    world.put_lease("10.5.0.4/30", "192.168.200.1", "", kind="udp", ttl=3600)
    first = world.host().start(ready=False)
    first.wait_log("flannel0 created")
    world.etcd.put(f"{world.prefix}-b/config",
                   '{"Network": "10.77.0.0/16", "Backend": '
                   '{"Type": "udp", "Port": 8286, "Threads": 2}}')
    second = world.neighbour(first)
    second.start(f"--etcd-prefix={world.prefix}-b")
    assert kernel.addresses(first.netns, "flannel1")[0].startswith("10.77.")
