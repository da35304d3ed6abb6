"""Waiting for a state, with a limit, in place of sleeping."""

import time


# Long enough for a machine that is busy with other things; nobody waits longer than it takes.
TIMEOUT = 30.0


def wait_until(condition, what, timeout=TIMEOUT, interval=0.01):
    """Poll until condition() is true, and return its value. It is looked at once more when the time
    is over: this process may have stood still meanwhile."""
    deadline = time.monotonic() + timeout
    while True:
        late = time.monotonic() > deadline
        value = condition()
        if value:
            return value
        if late:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(interval)


def wait_equal(actual, expected, what, timeout=TIMEOUT):
    """Poll until actual() equals expected; a failure shows both."""
    deadline = time.monotonic() + timeout
    while True:
        late = time.monotonic() > deadline
        value = actual()
        if value == expected:
            return
        if late:
            assert value == expected, f"not within {timeout} s: {what}"
        time.sleep(0.01)


def holds(condition, what, seconds):
    """Fail if condition() turns false within that time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f"did not last: {what}"
        time.sleep(0.02)
