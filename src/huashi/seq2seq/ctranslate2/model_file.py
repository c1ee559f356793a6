"""The file ``model.bin`` of CTranslate2: named arrays.

All numbers are little-endian; a string is its length in 16 bits, then its bytes, the last a NUL:

    u32 version | string specification | u32 revision | u32 number of arrays
    for each: string name | u8 rank | u32 each size | u8 type | u32 size of the data | data
    u32 number of aliases | for each: string alias | string name        (from version 3 on)

Up to version 3 ``type`` is how many bytes a number has and the data's size counts numbers; later
ones number the types and count bytes. A weight of 8 or 16 bits stands beside ``..._scale``, one for
a row or for all, that it was multiplied by. Nothing in the file is ever executed.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

_TYPES = (torch.float32, torch.int8, torch.int16, torch.int32, torch.float16, torch.bfloat16)
_TYPE_OF_SIZE = {4: torch.float32, 2: torch.int16, 1: torch.int8}  # up to version 3


@dataclass(frozen=True)
class ModelFile:
    """What a ``model.bin`` holds."""

    specification: str
    """The kind of model, such as ``TransformerBase``."""
    revision: int
    """Of the specification."""
    arrays: Mapping[str, Tensor]
    """Weights as float32, settings as they are stored."""


def read_model_file(path: str | Path) -> ModelFile:
    """Read a ``model.bin``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is cut short, or not of this format.
    """
    reader = _Reader(Path(path))
    version = reader.number("I", "version")
    if not 2 <= version <= 6:
        raise ValueError(f"{path} must be of version 2 to 6 of its format, got {version}")
    specification, revision = reader.string(), reader.number("I", "revision")
    arrays = {}
    for _ in range(reader.number("I", "number of arrays")):
        name = reader.string()
        arrays[name] = reader.array(name, version)
    for _ in range(reader.number("I", "number of aliases") if version >= 3 else 0):
        alias, name = reader.string(), reader.string()
        if name not in arrays:
            raise ValueError(f"{path} must hold {name}, as {alias} is an alias of it")
        arrays[alias] = arrays[name]
    return ModelFile(specification, revision, _in_float32(arrays))


class _Reader:
    """The bytes of a file from first to last, none read that is not there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content = memoryview(path.read_bytes())
        self.place = 0

    def take(self, count: int, what: str) -> memoryview:
        rest = len(self.content) - self.place
        if count > rest:
            raise ValueError(
                f"{self.path} must be whole: at byte {self.place} its {what} needs {count} bytes, "
                f"got {rest}"
            )
        self.place += count
        return self.content[self.place - count : self.place]

    def number(self, kind: str, what: str) -> int:
        return struct.unpack(f"<{kind}", self.take(struct.calcsize(f"<{kind}"), what))[0]

    def string(self) -> str:
        length = self.number("H", "length of a name")
        text = bytes(self.take(length, "name"))
        try:
            return text.decode().removesuffix("\0")
        except UnicodeDecodeError:
            raise ValueError(f"{self.path} must have names in UTF-8, got {text!r}") from None

    def array(self, name: str, version: int) -> Tensor:
        rank = self.number("B", f"rank of {name}")
        shape = [self.number("I", f"shape of {name}") for _ in range(rank)]
        code, size = self.number("B", f"type of {name}"), self.number("I", f"size of {name}")
        types = dict(enumerate(_TYPES)) if version >= 4 else _TYPE_OF_SIZE
        if code not in types:
            raise ValueError(f"{self.path} must have {name} of a known type, got type {code}")
        dtype = types[code]
        count = size // dtype.itemsize if version >= 4 else size
        if math.prod(shape) != count:
            raise ValueError(f"{self.path} must have {name} of shape {shape}, got {count} numbers")
        data = bytearray(self.take(count * dtype.itemsize, name))
        if not data:
            return torch.empty(shape, dtype=dtype)
        return torch.frombuffer(data, dtype=dtype).view(shape)


def _in_float32(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``arrays`` with every weight as float32, and without the scales."""
    found = {}
    for name, array in arrays.items():
        scale = arrays.get(f"{name}_scale")
        if scale is not None:
            scale = scale.float().reshape(-1, *[1] * (array.ndim - 1)) if scale.ndim else scale
            found[name] = array.float() / scale
        elif not name.endswith("_scale") or name.removesuffix("_scale") not in arrays:
            found[name] = array.float() if array.is_floating_point() else array
    return found
