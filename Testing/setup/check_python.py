"""Can this Python make a virtual environment for Tell2Reg? Called by the Makefile; runs on any Python 3.

Exit code 0 when it can. Otherwise one sentence says what to install; as root on Debian and its kin the missing
package is installed.
"""

import os
import shutil
import subprocess
import sys

OLDEST = (3, 11)


def fail(message):
    sys.stderr.write(message + "\n")
    sys.exit(1)


def has_venv():
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return False
    return True


def main():
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if sys.version_info < OLDEST:
        fail(
            f"Tell2Reg needs Python {OLDEST[0]}.{OLDEST[1]} or newer, but {sys.executable} is {version}. "
            "Name a newer one, as in 'make test PYTHON=python3.12'."
        )
    if has_venv():
        return
    package = f"python{version}-venv"
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"Installing the system package {package}, which this Python needs for virtual environments.")
        subprocess.call(["apt-get", "update", "-qq"])
        if subprocess.call(["apt-get", "install", "-y", "-qq", package]) == 0:
            return
    fail(
        f"{sys.executable} cannot make virtual environments: its venv or ensurepip module is missing. "
        f"On Debian or Ubuntu run 'sudo apt-get install {package}', then try again."
    )


if __name__ == "__main__":
    main()
