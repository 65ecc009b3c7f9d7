"""Pickles of numbers, text, lists, dictionaries and NumPy arrays; anything else in them is refused by name.

A pickle is a program. This reader runs none of it: the only names that it knows are stand-ins of its own,
which note what an array or a dtype is said to be; the arrays are made afterwards, of checked sizes and bytes.
"""

from __future__ import annotations

import math
import pickle
from typing import IO, Any

import numpy as np

from napari_sam2_automask.errors import ImageError

__all__ = ["load_plain"]

#: Things in a pickle, counted as often as they are reached, and how deep they may lie in one another.
_MOST, _DEEPEST = 1_000_000, 30
#: Memory of all arrays, as often as they are reached.
_BYTES = 8 << 30
_PLAIN = (bool, int, float, str, bytes, type(None))


class _Dtype:
    """What a pickle says of a dtype."""

    def __init__(self, code: Any = None, *_: Any) -> None:
        self.code, self.little, self.known = code, True, True

    def __setstate__(self, state: Any) -> None:
        self.little, self.known = state[1] != ">", state[1] in ("<", ">", "=", "|")

    def made(self) -> np.dtype[Any]:
        if not isinstance(self.code, str) or len(self.code) > 8 or not self.known:
            raise ValueError("an array is of no plain numbers")
        found = np.dtype(self.code)
        if found.kind not in "biufUS" or found.itemsize > 4096:
            raise ValueError(f"an array is of {found}, which are no plain numbers")
        return found.newbyteorder("<" if self.little else ">")


class _Array:
    """What a pickle says of an array."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    @property
    def things(self) -> list[Any] | None:
        """What an array of anything holds, whatever its shape; None of an array of numbers."""
        _, _, dtype, _, data = self.state
        return (
            data if isinstance(dtype, _Dtype) and dtype.code in ("O", "O8") and type(data) is list else None
        )

    def made(self) -> np.ndarray[Any, Any]:
        _, shape, dtype, fortran, data = self.state
        if not isinstance(dtype, _Dtype) or not isinstance(data, bytes | bytearray) or len(shape) > 32:
            raise ValueError("an array holds no plain numbers")
        sides = [side for side in shape if type(side) is int and side >= 0]
        kind = dtype.made()
        if len(sides) != len(shape) or math.prod(sides) * kind.itemsize != len(data):
            raise ValueError("an array has another size than it says")
        return np.frombuffer(data, kind).reshape(sides, order="F" if fortran else "C")


class _Scalar:
    """What a pickle says of a single number."""

    def __init__(self, dtype: Any = None, data: Any = None, *_: Any) -> None:
        self.dtype, self.data = dtype, data

    def made(self) -> Any:
        if not isinstance(self.dtype, _Dtype) or not isinstance(self.data, bytes):
            raise ValueError("a number is no plain one")
        return np.frombuffer(self.data, self.dtype.made(), 1)[0]


class _Encoded:
    """Bytes as the oldest pickles write them: text and the name of its encoding."""

    def __init__(self, text: Any = "", encoding: Any = "latin1", *_: Any) -> None:
        if not isinstance(text, str) or encoding != "latin1":
            raise pickle.UnpicklingError("it holds bytes in an encoding that is not known")
        self.data = text.encode("latin1")


def _of_buffer(data: Any = None, dtype: Any = None, shape: Any = (), order: Any = "C", *_: Any) -> _Array:
    found = _Array()
    found.state = (1, shape, dtype, order == "F", data)
    return found


def _ndarray(*_: Any) -> Any:
    raise pickle.UnpicklingError("it makes an array in a way that is not known")


_KNOWN: dict[tuple[str, str], Any] = {("numpy", "ndarray"): _ndarray, ("numpy", "dtype"): _Dtype}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _KNOWN |= {(_module, "_reconstruct"): _Array, (_module, "scalar"): _Scalar}
for _module in ("numpy.core.numeric", "numpy._core.numeric"):
    _KNOWN[_module, "_frombuffer"] = _of_buffer
_KNOWN["_codecs", "encode"] = lambda text, encoding="latin1": _Encoded(text, encoding).data


# The one in Python: that in C makes room for as many notes as a pickle says that it has.
class _Unpickler(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}, which is no array, list, dictionary, text or number"
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it refers to something outside of it")


def load_plain(file: IO[bytes], name: str) -> Any:
    """Return what a pickle holds.

    Parameters
    ----------
    file : binary file
        At the first byte of the pickle.
    name : str
        What to call it in messages.

    Raises
    ------
    ImageError
        If it is damaged, too large, or asks for anything but numbers, text, lists, tuples, dictionaries and
        NumPy arrays of numbers; nothing of it has been run.
    """
    try:
        return _Plain()(_Unpickler(file).load())
    except Exception as error:  # a damaged pickle raises what its commands run into
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ImageError(f"{name} is not read ({reason}): give a file that holds only masks") from error


class _Plain:
    """Makes arrays of what a pickle said, counting what is reached: one thing may stand in many places."""

    def __init__(self) -> None:
        self._left, self._bytes = _MOST, _BYTES

    def __call__(self, value: Any, depth: int = 0) -> Any:
        self._left -= 1
        if self._left < 0 or depth > _DEEPEST:
            raise ValueError("it holds too much")
        if type(value) in _PLAIN:
            return value
        if type(value) in (list, tuple):
            return [self(one, depth + 1) for one in value]
        if type(value) is dict:
            return {self._key(key): self(one, depth + 1) for key, one in value.items()}
        if isinstance(value, _Array) and value.things is not None:
            things = [self(one, depth + 1) for one in value.things]
            return things[0] if len(things) == 1 and value.state[1] == () else things
        if isinstance(value, _Array | _Scalar):
            made = value.made()
            self._bytes -= made.nbytes
            if self._bytes < 0:
                raise ValueError("it holds too much")
            return made
        raise ValueError(f"it holds a {type(value).__name__.lstrip('_').lower()} that is no plain value")

    def _key(self, key: Any) -> Any:
        if type(key) not in _PLAIN:
            raise ValueError("a key is no plain value")
        return key
