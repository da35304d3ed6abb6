"""Memory that is refused: the test's side of modules/fail_alloc.c."""

import mmap
import os
import struct

from .modules import SOURCES, WARNINGS
from .netns import run

_PLACES = 16384
_SIZE = 8 * (2 + _PLACES)


def compile_preload(folder):
    target = f"{folder}/fail_alloc.so"
    run("gcc", "-std=gnu11", "-O1", *WARNINGS, "-fPIC", "-shared", "-o", target,
        str(SOURCES / "fail_alloc.c"))
    return target


class AllocationPlan:
    """Where a flanneld allocates memory, and which of these places fails next."""

    def __init__(self, folder):
        self._preload = compile_preload(folder)
        self._path = f"{folder}/fail_alloc.plan"
        with open(self._path, "wb") as file:
            file.truncate(_SIZE)
        self._fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        self._map = mmap.mmap(self._fd, _SIZE)

    @property
    def environment(self):
        return {"LD_PRELOAD": self._preload, "FAIL_ALLOC_PLAN": self._path}

    def places(self):
        return {place for place in struct.unpack_from(f"={_PLACES}Q", self._map, 16) if place}

    def fail(self, place):
        """The next allocation from there fails; 0: none does."""
        struct.pack_into("=QQ", self._map, 0, place, 0)

    def failed(self):
        """Whether it has come to that."""
        return struct.unpack_from("=Q", self._map, 8)[0] > 0

    def close(self):
        self._map.close()
        os.close(self._fd)
