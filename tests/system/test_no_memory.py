"""No place at which flanneld asks for memory may crash it when there is none, or leave its tables
wrong for good: each is failed once, at start and when something happens.

Places are taken at random; FAULTS_SEED repeats a run, FAULTS_PLACES says how many (0: all)."""

import os
import random
import time

import pytest

from harness.build import is_sanitized
from harness.faults import AllocationPlan
from harness.wait import wait_until

SEED = int(os.environ.get("FAULTS_SEED", time.time_ns() % 1_000_000))
PLACES = int(os.environ.get("FAULTS_PLACES", 25))


@pytest.fixture
def plan(folder):
    if is_sanitized():
        pytest.skip("the sanitizer has an allocator of its own")
    made = AllocationPlan(folder)
    yield made
    made.close()


def some_of(places):
    places = sorted(places)
    print(f"FAULTS_SEED={SEED}, {len(places)} places")
    return random.Random(SEED).sample(places, min(PLACES or len(places), len(places)))


def wait_end_or_ready(host):
    wait_until(lambda: not host.daemon.running() or "READY=1" in host.notify.poll(0.02),
               "an end, or READY=1", 20)
    return host.daemon.running()


BACKENDS = ["vxlan", "host-gw", "udp"]


class Scene:
    """A host, two peers that come and go, and what must stand in its tables."""

    def __init__(self, world, kind):
        self.world = world
        self.kind = kind
        world.config(Backend={"Type": kind, **({"VNI": world.vni} if kind == "vxlan" else {})})
        self.host = world.host()
        self.stays = self.peer(200)

    def peer(self, third, address=None):
        if self.kind == "vxlan":
            return self.world.peer(third, address)
        made = self.world.gateway_peer(third, address)
        self.world.put_lease(made.subnet, made.address, None, kind=self.kind, ttl=3600)
        return made

    def wait(self, *peers):
        if self.kind == "vxlan":
            self.host.wait_peers(*peers)
        elif self.kind == "host-gw":
            self.host.wait_gateways(*peers)

    def events(self):
        """A peer comes, moves and leaves."""
        self.peer(201)
        self.wait(self.stays, self.peer(201, "192.168.200.77"))
        self.world.drop(self.peer(201, "192.168.200.77"))
        self.wait(self.stays)


def start(scene, plan):
    scene.host.start(env=plan.environment, ready=False)
    return wait_end_or_ready(scene.host)


def fault_at_start(scene, plan, place):
    """What was wrong with a start in which that place fails, or None."""
    plan.fail(place)
    begin = len(scene.host.log())
    try:
        if start(scene, plan):
            scene.wait(scene.stays)
            code = scene.host.stop()
            return code and f"{code} after SIGTERM\n{scene.host.log()[begin:]}"
    except AssertionError as fault:
        scene.host.kill()
        return f"{fault}\n{scene.host.log()[begin:]}"
    code = scene.host.daemon.exit_code
    said = scene.host.log()[begin:]
    told = "ERROR" in said or "allocate memory" in said
    return None if code > 0 and told else f"ended with {code}\n{said}"


@pytest.mark.parametrize("kind, api", [*((kind, 2) for kind in BACKENDS), ("vxlan", 3)])
def test_no_memory_at_start_is_an_error_or_overcome(world, plan, kind):
    scene = Scene(world, kind)
    assert start(scene, plan)
    scene.wait(scene.stays)
    assert scene.host.stop() == 0
    faults, tried = {}, 0
    for place in some_of(plan.places()):
        fault = fault_at_start(scene, plan, place)
        tried += plan.failed()
        if fault:
            faults[place] = fault
    print(f"{kind}: {tried} places failed")
    assert not faults, "\n".join(f"--- {place}: {fault}" for place, fault in faults.items())
    assert tried > 0
    plan.fail(0)
    assert start(scene, plan)
    scene.wait(scene.stays)


@pytest.mark.parametrize("kind", BACKENDS)
def test_no_memory_for_an_event_is_overcome(world, plan, kind):
    scene = Scene(world, kind)
    assert start(scene, plan)
    scene.wait(scene.stays)
    before = plan.places()
    scene.events()
    scene.events()
    tried = 0
    for place in some_of(plan.places() - before):
        plan.fail(place)
        scene.events()
        tried += plan.failed()
        assert scene.host.daemon.running(), f"{place}: ended with {scene.host.daemon.exit_code}"
    print(f"{kind}: {tried} places failed")
    assert tried > 0
