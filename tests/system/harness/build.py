"""The build under test."""

import os
import subprocess
import re

_TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../../.."))
_STAGE = os.path.join(_TOP, "build/stage/usr")

FLANNELD = os.environ.get("FLANNELD", os.path.join(_STAGE, "sbin/flanneld"))
BACKEND_DIR = os.environ.get("BACKEND_DIR", os.path.join(_STAGE, "lib/flanneld/backends"))
# Programs of the tests' own, beside the modules.
PROGRAMS = os.path.join(os.path.dirname(BACKEND_DIR), "tests")

_SANITIZER = re.compile(r"(?:ERROR|WARNING): \w+Sanitizer|runtime error:|SUMMARY: \w+Sanitizer")


def environment(**extra):
    """What flanneld is started with: nothing of the caller's."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {
        "PATH": path,
        "ASAN_OPTIONS": "detect_leaks=1:exitcode=99:detect_stack_use_after_return=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "TSAN_OPTIONS": "exitcode=99",
        **extra,
    }


def sanitizer_report(log):
    """The lines from the first report on, or None."""
    found = _SANITIZER.search(log)
    return log[found.start():] if found else None


def is_sanitized():
    """Is it a build whose memory and end are the sanitizer's?"""
    done = subprocess.run(["ldd", FLANNELD], capture_output=True, text=True, check=False)
    return "libasan" in done.stdout
