"""The backends whose rows flanneld keeps, and what they need of a world."""

from .host import Host

KINDS = {
    "vxlan": {"Type": "vxlan"},
    "direct": {"Type": "vxlan", "DirectRouting": True},
    "host-gw": {"Type": "host-gw"},
}
WIDE = {"network": "10.0.0.0/8", "SubnetLen": 24, "SubnetMin": "10.5.1.0"}  # room for a crowd


def configure(world, kind, network="10.5.0.0/16", **members):
    """Hosts get 10.5.1.0 to 10.5.99.0; what is beyond is for fake peers."""
    backend = dict(KINDS[kind])
    if backend["Type"] == "vxlan":
        backend["VNI"] = world.vni
    world.config(network, Backend=backend, SubnetMax="10.5.99.0", **members)


def crowd(world, kind, count):
    """So many fake peers of that kind, in a WIDE world; all of them on the link."""
    return world.crowd(count, KINDS[kind]["Type"])


def wait_of(kind):
    """What waits for a host to reach just these others."""
    return Host.wait_peers if kind == "vxlan" else Host.wait_gateways
