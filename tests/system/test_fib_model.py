"""Whatever comes, goes and is damaged, the kernel's tables end up as the leases say."""

import os
import subprocess

from harness.build import PROGRAMS

STEPS = 10000


def test_the_tables_are_as_declared_after_random_changes_and_damage():
    """FIB_MODEL_SEED repeats a run that has failed."""
    seed = os.environ.get("FIB_MODEL_SEED") or str(int.from_bytes(os.urandom(4), "big"))
    with subprocess.Popen([f"{PROGRAMS}/fib_model", str(STEPS), seed], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as model:
        try:
            said, log = model.communicate(timeout=300)
        except subprocess.TimeoutExpired:
            model.kill()
            said, log = model.communicate()
    print(said)
    assert model.returncode == 0, f"seed {seed}:\n{said}\n{log[-3000:]}"
    assert f"step {STEPS}: the rows of" in said
