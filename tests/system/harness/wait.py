"""Waiting for a state, with a limit, in place of sleeping."""

import time


def wait_until(condition, what, timeout=10.0, interval=0.01):
    """Poll until condition() is true, and return its value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(interval)


def wait_equal(actual, expected, what, timeout=10.0):
    """Poll until actual() equals expected; a failure shows both."""
    deadline = time.monotonic() + timeout
    while (value := actual()) != expected:
        if time.monotonic() > deadline:
            assert value == expected, f"not within {timeout} s: {what}"
        time.sleep(0.01)


def holds(condition, what, seconds):
    """Fail if condition() turns false within that time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert condition(), f"did not last: {what}"
        time.sleep(0.02)
