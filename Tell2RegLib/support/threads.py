"""How the threads of torch wait for each other."""

from __future__ import annotations

import os


def wait_passively() -> None:
    """Let threads that have nothing to do sleep, unless the environment says otherwise; call before torch is loaded.

    By default OpenMP's threads wait by spinning. On a machine that has other work they then keep each other from the
    processor: on two busy cores a fit of 15 s did not end within 150 s.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
