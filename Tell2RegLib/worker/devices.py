"""Lists compute devices: the CPU, and the GPUs that torch can use."""

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
    """The CPU first, then every CUDA device; "auto" is the device that a run uses by default.

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
    devices = []
    for number in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(number)
        free = None
        with suppress(RuntimeError):  # a GPU that others have filled up
            free = int(torch.cuda.mem_get_info(number)[0])
        devices.append(Device(f"cuda:{number}", about.name, int(about.total_memory), free))
    return tuple(devices)


def cpu_name() -> str:
    """The processor's name and its number of cores, as reported by the system."""
    cores = os.cpu_count() or 1
    return f"{_cpu_model() or platform.processor() or platform.machine() or 'CPU'}, {cores} cores"


def _cpu_model() -> str:
    with suppress(OSError, subprocess.SubprocessError):
        if sys.platform == "darwin":
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout.strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return ""
