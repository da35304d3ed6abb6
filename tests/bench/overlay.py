# tests/bench/overlay.py - two hosts on a wire, and on each a container behind a bridge.
import os
import time

import daemon
import etcd
import netns

NETWORK = "10.0.0.0/8"
LOOP_PORT = 8285
# What veth has and a plain network card has not.
SEGMENTATION = ("tso", "tx-udp-segmentation", "tx-udp_tnl-segmentation",
                "tx-udp_tnl-csum-segmentation")


def helper(name):
    """A program of tests/bench, where tests/build or make has put it."""
    modules = os.environ.get("BACKEND_DIR")
    places = ([os.path.join(modules, "../tests", name)] if modules else []) + [
        os.path.join(daemon.TOP, "build/stage/usr/lib/flanneld/tests", name),
        os.path.join(daemon.TOP, "tests/bench", name)]
    for path in places:
        if os.access(path, os.X_OK):
            return path
    raise netns.CommandError(f"{name}: not there; run tests/build, or make test-programs")


class Side:
    """One of the hosts; ns is the name that a Daemon looks for."""

    def __init__(self, number):
        self.number = number
        self.host = self.ns = netns.Netns()
        self.container = netns.Netns()
        self.underlay = f"192.168.78.{number}"
        self.host.run(["sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"])

    def add_container(self, gateway, mtu):
        """As a runtime would: .2 of the subnet whose .1 is the bridge's."""
        self.host.ip("link", "add", "br0", "type", "bridge")
        self.host.ip("addr", "add", f"{gateway}/24", "dev", "br0")
        self.host.ip("link", "set", "br0", "up")
        self.container.ip("link", "add", "eth0", "mtu", str(mtu), "type", "veth", "peer", "name",
                          "c1", "mtu", str(mtu), "netns", self.host.path)
        self.host.ip("link", "set", "c1", "master", "br0", "up")
        base = gateway.rpartition(".")[0]
        self.container.ip("addr", "add", f"{base}.2/24", "dev", "eth0")
        self.container.ip("link", "set", "eth0", "up")
        self.container.ip("route", "add", "default", "via", gateway)
        return f"{base}.2"

    def close(self):
        self.container.close()
        self.host.close()


class Overlay:
    """Both hosts with a backend that carries: kind is vxlan, udp or loop."""

    def __init__(self, store, folder, kind, offloads):
        self._store = store
        self._folder = folder
        self._running = []
        self.sides = [Side(1), Side(2)]
        try:
            self._lay_wire(offloads)
            self.addresses = (self._start_loops() if kind == "loop"
                              else self._start_daemons(kind))
            self.containers = [side.add_container(address.rpartition(".")[0] + ".1", mtu)
                               for side, (address, mtu) in zip(self.sides, self.addresses)]
            self.addresses = [address for address, _mtu in self.addresses]
            self._wait_until_it_carries()
        except BaseException:
            self.close()
            raise

    def _lay_wire(self, offloads):
        one, other = self.sides
        one.host.ip("link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns",
                    other.host.path)
        for side in self.sides:
            side.host.ip("addr", "add", f"{side.underlay}/24", "dev", "eth0")
            side.host.run(["ethtool", "-K", "eth0", "gro", "on"])
            if not offloads:
                for name in SEGMENTATION:
                    side.host.run(["ethtool", "-K", "eth0", name, "off"])
            side.host.ip("link", "set", "eth0", "up")

    def _start_daemons(self, kind):
        self._store.send(etcd.API.delete(f"{etcd.PREFIX}/subnets?recursive=true"), (200, 404))
        self._store.configure(
            etcd.PREFIX, {"Network": NETWORK, "SubnetLen": 24, "Backend": {"Type": kind}})
        self._store.ns.ip("link", "add", "ctl", "type", "bridge", must_work=False)
        self._store.ns.ip("addr", "replace", f"{netns.Host.GATEWAY}/24", "dev", "ctl")
        self._store.ns.ip("link", "set", "ctl", "up")
        return [self._start_daemon(side) for side in self.sides]

    def _start_daemon(self, side):
        self._store.ns.ip("link", "del", f"port{side.number}", must_work=False)
        side.host.ip("link", "add", "ctl", "type", "veth", "peer", "name", f"port{side.number}",
                     "netns", self._store.ns.path)
        self._store.ns.ip("link", "set", f"port{side.number}", "master", "ctl", "up")
        side.host.ip("addr", "add", f"192.168.77.{10 + side.number}/24", "dev", "ctl")
        side.host.ip("link", "set", "ctl", "up")
        folder = os.path.join(self._folder, f"host{side.number}")
        os.makedirs(folder, exist_ok=True)
        process = daemon.Daemon(side, daemon.program(), folder, ("--iface=eth0",))
        self._running.append(process)
        process.wait_for_subnet_env()
        with open(process.subnet_env, encoding="ascii") as f:
            mtu = [int(line.split("=")[1]) for line in f if line.startswith("FLANNEL_MTU=")]
        return process.subnet(), mtu[0]

    def _start_loops(self):
        found = []
        for side in self.sides:
            other = self.sides[2 - side.number]
            process = side.host.popen(
                [helper("udp_loop"), "loop0", side.underlay, str(LOOP_PORT),
                 f"10.9.{other.number}.0/24", other.underlay])
            self._running.append(process)
            process.stdout.readline()
            side.host.ip("addr", "add", f"10.9.{side.number}.0/32", "dev", "loop0")
            side.host.ip("link", "set", "loop0", "mtu", "1472", "up")
            side.host.ip("route", "add", NETWORK, "dev", "loop0")
            found.append((f"10.9.{side.number}.0", 1472))
        return found

    def _wait_until_it_carries(self):
        deadline = time.monotonic() + 15
        while self.sides[0].container.run(
                ["ping", "-n", "-q", "-c", "1", "-W", "1", self.containers[1]], must_work=False):
            if time.monotonic() > deadline:
                raise netns.CommandError("the containers do not reach each other")

    def close(self):
        for process in self._running:
            if isinstance(process, daemon.Daemon):
                process.close()
            else:
                process.kill()
                process.wait()
                process.stdout.close()
        for side in self.sides:
            side.close()
        time.sleep(0.3)  # the kernel takes the namespaces apart meanwhile

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
