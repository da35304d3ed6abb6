"""Waiting for a state, with a limit, in place of sleeping."""

import time

# Long enough for a machine that is busy with other things; nobody waits longer than it takes.
TIMEOUT = 30.0


def _looks(timeout, interval):
    """As often as there is to be a look: until the time is over, and once behind that, for this
    process may have stood still meanwhile."""
    deadline = time.monotonic() + timeout
    late = False
    while not late:
        late = time.monotonic() > deadline
        yield
        time.sleep(interval)


def wait_until(condition, what, timeout=TIMEOUT, interval=0.01):
    """Poll until condition() is true, and return its value."""
    for _ in _looks(timeout, interval):
        value = condition()
        if value:
            return value
    raise AssertionError(f"not within {timeout} s: {what}")


def wait_equal(actual, expected, what, timeout=TIMEOUT):
    """Poll until actual() equals expected; a failure shows both."""
    for _ in _looks(timeout, 0.01):
        value = actual()
        if value == expected:
            return
    assert value == expected, f"not within {timeout} s: {what}"


def holds(condition, what, seconds):
    """Fail if condition() turns false within that time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f"did not last: {what}"
        time.sleep(0.02)
