"""What there is to compute on: the CPU, and the GPUs that torch can use."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from Tell2RegLib.support.system_memory import system_memory
from Tell2RegLib.worker.requests import Device, DevicesReply


def find_devices() -> DevicesReply:
    """The CPU first, then every CUDA device; "auto" is what a run takes that is told nothing.

    Without torch there is the CPU alone.
    """
    gpus = _cuda_devices()
    return DevicesReply((Device("cpu", cpu_name(), *system_memory()), *gpus), gpus[0].name if gpus else "cpu")


def _cuda_devices() -> tuple[Device, ...]:
    try:
        import torch
    except ImportError:
        return ()
    if not torch.cuda.is_available():
        return ()
    found = []
    for number in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(number)
        free = None
        with suppress(RuntimeError):  # a GPU that others have filled up
            free = int(torch.cuda.mem_get_info(number)[0])
        found.append(Device(f"cuda:{number}", about.name, int(about.total_memory), free))
    return tuple(found)


def cpu_name() -> str:
    """What the system calls the processor, with its number of cores."""
    cores = os.cpu_count() or 1
    return f"{_cpu_model() or platform.processor() or platform.machine() or 'CPU'}, {cores} cores"


def _cpu_model() -> str:
    with suppress(OSError, subprocess.SubprocessError):
        if sys.platform == "darwin":
            asked = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(asked, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return ""
