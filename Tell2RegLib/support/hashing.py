"""Keys of arrays by their content: what is kept under one is still valid when the same array comes again."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def array_key(about: str, array: NDArray) -> str:
    """SHA-256 of an array's values and of what else tells it apart, such as its shape, type and grid."""
    digest = hashlib.sha256(about.encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
