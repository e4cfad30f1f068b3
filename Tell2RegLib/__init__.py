"""Tell2RegLib: registration of two medical volumes by the same words, or by regions that exist already.

Everything here is light: torch and the networks are imported where they are used.
"""

from __future__ import annotations

__version__ = "0.1.0"
