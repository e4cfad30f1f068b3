"""What runs in the scratch environment: the install flow with a person who agrees, then words on the demo pair.

    python -m Testing.Install.inside FOLDER

Exit code 0 when everything is there, Slicer's own packages are what they were, and `register --prompt` gives a pair.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from Tell2RegLib.slicer_module.install.install_plan import SLICERS_OWN, install, plan_install
from Tell2RegLib.slicer_module.install.requirements import read_requirements, requirements_file
from Tell2RegLib.slicer_module.run.worker_client import WorkerClient
from Tell2RegLib.worker.requests import CheckReply, CheckRequest
from Testing.Install.plain_installer import PlainInstaller

LONGEST_CHECK_S = 300.0


def main(folder: Path) -> int:
    """Everything, in order; 0 when it went well."""
    installer = PlainInstaller()
    before = installer.versions()
    plan = plan_install(read_requirements(requirements_file()), installer)
    print(plan.dialog_text, flush=True)
    outcome = install(plan, installer, unusable, on_step=lambda title, done, total: print(f"[{done}/{total}] {title}"))
    print(outcome.message, outcome.detail, sep="\n", flush=True)
    after = installer.versions()
    for name in SLICERS_OWN:
        print(f"{name}: {before[name]} before, {after.get(name)} after")
    new = sorted(f"{name} {version}" for name, version in after.items() if before.get(name) != version)
    print(f"{len(new)} new or changed: {', '.join(new)}", flush=True)
    if not outcome.done or any(before[name] != after.get(name) for name in SLICERS_OWN):
        return 1
    return register_by_words(folder)


def unusable() -> list[tuple[str, str]]:
    """Has the worker import everything, as the panel does; what cannot be used."""
    replies: list[CheckReply] = []
    client = WorkerClient()
    try:
        client.submit(CheckRequest(), on_done=replies.append, on_error=lambda *message: print(*message, sep="\n"))
        client.wait(LONGEST_CHECK_S)
    finally:
        client.close()
    return [(one.package, one.reason) for one in replies[0].missing] if replies else [("the worker", "gave no answer")]


def register_by_words(folder: Path) -> int:
    """`tell2reg register --prompt prostate` on the demo pair; 0 when the prostate was paired."""
    from Tell2RegLib.workflows.demo import make_demo_pair, write_demo_pair

    files = write_demo_pair(make_demo_pair(), folder / "inputs")
    command = [sys.executable, "-m", "Tell2RegLib.cli", "register", "--prompt", "prostate", "--prompt", "bladder"]
    command += ["--fixed", str(files["fixed"]), "--moving", str(files["moving"]), "--models", "demo", "--json"]
    done = subprocess.run(
        [*command, "--out", str(folder / "result"), "--overwrite"], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        return done.returncode
    pairs = json.loads((folder / "result" / "result.json").read_text(encoding="utf-8"))["pairs"]
    print("Paired by words:", ", ".join(f"{pair['name']} (Dice {pair['dice_after']:.2f})" for pair in pairs))
    return 0 if any(pair["accepted"] for pair in pairs) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
