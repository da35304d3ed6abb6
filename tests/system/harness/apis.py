"""Tests that run once over each API of etcd."""

import pytest

both_apis = pytest.mark.parametrize("api", [2, 3], ids=["v2", "v3"])
