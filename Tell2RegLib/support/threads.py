"""How the threads of torch wait for each other."""

from __future__ import annotations

import os

POLICY = "OMP_WAIT_POLICY"
CHOICES = (POLICY, "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY")
"""Variables by which a user chooses how threads of OpenMP wait, here or for one of its implementations."""


def wait_passively() -> None:
    """Let threads that have nothing to do sleep, unless the environment says otherwise; call before torch is loaded.

    `import Tell2RegLib` calls it, so that scripts, command and worker behave alike. Where torch was imported before, it
    has no effect on this process.

    By default OpenMP's threads wait by spinning. On a machine that has other work they then keep each other from the
    processor: on two busy cores a fit of 15 s did not end within 150 s.
    """
    if not any(name in os.environ for name in CHOICES):
        os.environ[POLICY] = "PASSIVE"
