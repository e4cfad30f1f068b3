"""Reads tensors from weight files without executing code that a file may contain.

Two formats: safetensors, and the zip archive that `torch.save` writes. The archive holds a pickle; it is read by
torch's own weights-only reader, which builds tensors and plain containers and nothing else. Archives of programs
(TorchScript), compressed ones and the tar format from before 2020 are refused: no official checkpoint needs them, and
each of them has been a way around that reader.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from Tell2RegLib.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

WRAPPERS = ("model", "state_dict")
"""Names under which training programs file the weights, beside a step count or an optimizer."""

TRUNCATED = "is damaged: its end or a part of it is missing. Download or copy it again."
NO_CHECKPOINT = "is not a file of weights: neither safetensors nor what torch.save writes."


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by their names, on the CPU, mapped from the file where possible.

    Names are as in the file, prefixes such as "module." included; one wrapper, {"model": ...} or {"state_dict": ...},
    is taken off. Copy a tensor before changing it, and do not change the file while its tensors are in use.

    Raises:
        ModelError: missing, damaged, not a checkpoint, or holding more than data.
    """
    path = Path(path)
    kind = kind_of(path)
    tensors = _read_safetensors(path) if kind == "safetensors" else _unwrapped(_read_archive(path), path)
    size = path.stat().st_size
    for name, tensor in tensors.items():
        _check(name, tensor, size, path)
    return tensors


def kind_of(path: Path) -> str:
    """Which of the two formats a file has: "safetensors" or "torch", by its first bytes.

    Raises:
        ModelError: missing, unreadable or neither.
    """
    if path.exists() and not path.is_file():  # a pipe would block
        raise ModelError(f"'{path}' cannot be read: it is no file. Name the file of the weights.")
    try:
        with path.open("rb") as stream:
            start = stream.read(9)
        size = path.stat().st_size
    except FileNotFoundError as error:
        raise ModelError(f"There is no file '{path}'. Check the path.") from error
    except OSError as error:
        raise ModelError(f"'{path}' cannot be read: {error.strerror or error}.") from error
    if start[:4] == b"PK\x03\x04":
        return "torch"
    if len(start) == 9 and start[8:] == b"{":
        if int.from_bytes(start[:8], "little") + 8 > size:
            raise ModelError(f"'{path}' {TRUNCATED}")
        return "safetensors"
    if start[:1] == b"\x80" or path.suffix == ".tar":
        raise ModelError(f"'{path}' is refused: it is a bare pickle, which may hold a program. Get it as safetensors.")
    raise ModelError(f"'{path}' {NO_CHECKPOINT if size else 'is empty.'}")


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise ModelError(f"'{path}' needs the package safetensors: pip install safetensors.") from error
    try:
        return load_file(path, device="cpu")
    except (SafetensorError, ValueError, KeyError) as error:
        raise ModelError(f"'{path}' {TRUNCATED}") from error


def _read_archive(path: Path) -> Any:
    """The object saved by torch.save, limited to tensors and plain containers."""
    import torch

    _check_archive(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        match = re.search(r"GLOBAL ([\w.]+)|(?:global|class|function) ([\w.]+\.[\w.]+)", str(error))
        culprit = f" ('{match[1] or match[2]}')" if match else ""
        raise ModelError(
            f"'{path}' is refused: besides weights it holds something{culprit} that could run a program. Nothing was "
            "run; "
            "do not use this file."
        ) from error
    except MemoryError:
        raise
    except Exception as error:  # the reader of a damaged pickle may fail with almost anything
        raise ModelError(f"'{path}' {TRUNCATED}") from error


def _check_archive(path: Path) -> None:
    """Reject archives that are truncated, decompression bombs, programs, or not from torch."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError) as error:
        raise ModelError(f"'{path}' {TRUNCATED}") from error
    names = [member.filename for member in members]
    if any(re.search(r"(^|/)(code/|constants\.pkl$)", name) for name in names):
        raise ModelError(f"'{path}' is refused: it is a program (TorchScript), not a file of weights.")
    if sum(name.endswith("/data.pkl") for name in names) != 1:
        raise ModelError(f"'{path}' {NO_CHECKPOINT}")
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ModelError(f"'{path}' is refused: it is a compressed archive, which torch.save does not write.")


def _unwrapped(content: Any, path: Path) -> dict[str, Tensor]:
    """The named tensors of a state dict, out of its wrapper."""
    import torch

    if isinstance(content, Mapping):
        inner = [content[name] for name in WRAPPERS if isinstance(content.get(name), Mapping)]
        for mapping in (*inner, content):
            tensors = {name: value for name, value in mapping.items() if isinstance(value, torch.Tensor)}
            if tensors and all(isinstance(name, str) for name in tensors):
                return tensors
    raise ModelError(f"'{path}' holds no tensors with names, so it is no checkpoint.")


def _check(name: str, tensor: Tensor, file_size: int, path: Path) -> None:
    """Reject tensors larger than the file, or of an unsupported kind."""
    import torch

    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized or tensor.is_complex():
        raise ModelError(f"'{path}' is refused: its tensor '{name}' is not a plain array of numbers.")
    if tensor.numel() * tensor.element_size() > file_size:
        raise ModelError(f"'{path}' is refused: its tensor '{name}' claims more numbers than the file holds.")
