"""Content keys of arrays: a result cached under such a key is valid for any array with the same content."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


def array_key(about: str, array: NDArray) -> str:
    """SHA-256 of an array's values and of a text that describes the rest, such as its shape, type and grid."""
    digest = hashlib.sha256(about.encode())
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
