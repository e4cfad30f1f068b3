"""Recognises why pip failed from its output, and suggests a remedy for each cause."""

from __future__ import annotations

from collections.abc import Sequence

AGAIN = "then press Install again; Slicer works as before."
CAUSES: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("no space left", "errno 28", "not enough space", "disk full"),
        f"The disk is full: free some space, {AGAIN}",
    ),
    (
        ("winerror 206", "enable-long-paths", "filename or extension is too long", "file name too long"),
        "A path is longer than the 260 characters that Windows allows: install Slicer in a folder with a shorter name, "
        f"C:\\Slicer for example, {AGAIN}",
    ),
    (
        ("winerror 5]", "winerror 32]", "permission denied", "access is denied", "being used by another process"),
        "A file of Slicer's packages is in use or write-protected: close other Slicer windows, restart this one, "
        f"{AGAIN}",
    ),
    (
        ("resolutionimpossible", "conflicting dependencies", "the conflict is caused by"),
        "The packages conflict with those of Slicer: the details name the versions.",
    ),
    (
        (
            *("connectionerror", "newconnectionerror", "name resolution", "getaddrinfo failed", "proxyerror"),
            *("sslerror", "certificate verify failed", "timed out", "connection reset", "connection broken"),
            *("network is unreachable", "retrying (retry(", "403 forbidden", "incompleteread"),
        ),
        f"Check the internet connection and the proxy, {AGAIN}",
    ),
    (
        ("no matching distribution", "could not find a version"),
        "A package has no build for this system and this version of Slicer: the details name it.",
    ),
)
"""What pip says in each case, in small letters, and what to do; the first that fits counts."""
UNKNOWN = f"The details show the output of pip: fix the problem, {AGAIN}"


def whatToDo(lines: Sequence[str]) -> str:
    """The remedy for an installation that failed with these last lines of output.

    >>> whatToDo(["ERROR: [Errno 28] No space left on device"])
    'The disk is full: free some space, then press Install again; Slicer works as before.'
    """
    output = "\n".join(lines).lower()
    return next((remedy for signs, remedy in CAUSES if any(sign in output for sign in signs)), UNKNOWN)
