"""Backends from outside of the tree, built against the installed header."""

import os
import pathlib
import shutil

from .build import BACKEND_DIR, FLANNELD
from .netns import run

PREFIX = pathlib.Path(os.path.realpath(FLANNELD)).parent.parent  # STAGE/usr
SOURCES = pathlib.Path(__file__).resolve().parent.parent / "modules"
PLUGIN = SOURCES.parent.parent / "plugin"
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")


def environment():
    """What pkg-config needs to find the staged install, and the paths of it."""
    return {**os.environ,
            "PKG_CONFIG_LIBDIR": str(PREFIX / "lib/pkgconfig"),
            "PKG_CONFIG_SYSROOT_DIR": str(PREFIX.parent)}


def pkg_config(*argv):
    return run("pkg-config", *argv, "flanneld", env=environment()).stdout.strip()


def compile_module(source, target, *flags, compiler="gcc"):
    standard = "-std=c++17" if str(source).endswith(".cc") else "-std=c11"
    run(compiler, standard, *WARNINGS, *flags, *pkg_config("--cflags").split(),
        "-fPIC", "-shared", "-o", str(target), str(source))
    os.chmod(target, 0o644)


class Modules:
    """A folder that the loader trusts, with the modules of the build in it."""

    def __init__(self, folder):
        self.path = pathlib.Path(folder)
        os.chmod(folder, 0o755)
        for module in pathlib.Path(BACKEND_DIR).glob("*.so"):
            shutil.copyfile(module, self.path / module.name)
            os.chmod(self.path / module.name, 0o644)

    @property
    def flag(self):
        return f"--backend-dir={self.path}"

    def odd(self, name, *macros, file=None):
        """A module that is good but for what the macros say."""
        target = self.path / f"{file or name}.so"
        compile_module(SOURCES / "odd.c", target, f'-DODD_NAME="{name}"', *macros)
        return target

    def fails(self):
        compile_module(SOURCES / "fails.c", self.path / "fails.so")

    def probe(self):
        compile_module(SOURCES / "probe.c", self.path / "probe.so")

    def cxx(self, compiler="g++"):
        compile_module(SOURCES / "cxx.cc", self.path / "cxx.so", compiler=compiler)

    def plugin(self, build_folder, *make):
        """tests/plugin as a stranger would: copy it, make, install."""
        shutil.copytree(PLUGIN, build_folder)
        run("make", "-C", str(build_folder), *make, env=environment())
        run("install", "-m", "644", f"{build_folder}/hello.so", str(self.path))

