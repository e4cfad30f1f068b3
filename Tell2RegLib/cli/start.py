"""Entry point of the command: Ctrl-C while the command is loaded ends it like Ctrl-C later."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any, NoReturn

CANCELLED = "Cancelled; nothing was written."


def main() -> None:
    """Load the command, and run it."""
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # nohup and shells may ignore it
    if is_default:
        signal.signal(signal.SIGINT, _end)
    from Tell2RegLib.cli.main import main as run

    if is_default:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


def _end(*_: Any) -> NoReturn:
    """End at once: a KeyboardInterrupt in the middle of an import may be taken for a failed import."""
    if "--json" in sys.argv:
        document = {"status": "cancelled", "kind": "Cancelled", "message": CANCELLED}
        os.write(1, json.dumps(document).encode() + b"\n")
    os.write(2, CANCELLED.encode() + b"\n")
    os._exit(130)
