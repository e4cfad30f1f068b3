"""`make test-install`: the install flow in a scratch environment with the versions of Slicer's own packages.

    python -m Testing.Install.run [--folder out/install] [--python python3.12]

Needs the package index; downloads PyTorch the first time (3 GB), 7 GB on the disk. The environment stays in the folder:
delete it to start over.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SLICER_5_12 = (
    "numpy==2.4.6",
    "scipy==1.17.1",
    "SimpleITK==2.5.5",
    "vtk==9.6.2",
    "pillow==12.2.0",
    "packaging==26.2",
    "requests==2.34.2",
    *("certifi", "charset-normalizer", "idna", "urllib3"),
)
"""What Slicer 5.12 brings of what matters here, with nothing that it lacks. Its Python is 3.12."""


def main(arguments: list[str] | None = None) -> int:
    """The command line; 0 when the install went as it should."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=ROOT / "out" / "install")
    parser.add_argument("--python", default="python3.12", help="which Python; Slicer 5.12 has 3.12")
    options = parser.parse_args(arguments)
    folder = options.folder.resolve()
    environment = folder / "environment"
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        subprocess.run([options.python, "-m", "venv", str(environment)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--no-deps", *SLICER_5_12], check=True)
    alone = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONNOUSERSITE": "1"}
    command = [str(python), "-m", "Testing.Install.inside", str(folder)]
    return subprocess.run(command, cwd=folder, env=alone, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
