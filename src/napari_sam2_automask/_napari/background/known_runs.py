"""The large runs that were started from the widget: remembered until somebody takes them off the list."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from napari_sam2_automask.settings.numbers import COUNT, INDEX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_sam2_automask._napari.common.memory import Store

__all__ = ["KnownRun", "KnownRuns", "as_lists"]

#: Under this name the store keeps them; the newest first, and no more than so many.
KEY = "background_runs"
MOST = 40


@dataclass(frozen=True)
class KnownRun:
    """A large run as the widget remembers it.

    Attributes
    ----------
    output : str
        The OME-Zarr that it writes.
    image : str
        The image's file.
    shape : tuple of int
        The shape of the image layer, or of the level of it, without colours.
    transform : dict
        What puts another layer of that shape into the place of the image; lists, so that it survives JSON.
    level : int
        The level of a multiscale layer; 0 is full resolution.
    """

    output: str
    image: str
    shape: tuple[int, ...]
    transform: dict[str, Any]
    level: int = 0

    @classmethod
    def from_json(cls, values: Any) -> KnownRun:
        """Return the run that `asdict` described; raises TypeError, KeyError or ValueError if it is none."""
        return cls(
            str(values["output"]),
            str(values["image"]),
            tuple(COUNT.check(n, "shape") for n in values["shape"]),
            dict(values["transform"]),
            INDEX.check(values.get("level", 0), "level"),
        )


def as_lists(transform: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments of a layer's place as lists and strings, for JSON."""
    return {
        name: [str(one) for one in value] if name in ("units", "axis_labels") else value.tolist()
        for name, value in transform.items()
    }


class KnownRuns:
    """The list, in the store of the widget's choices.

    Parameters
    ----------
    store : Store
        Where it is kept; other widgets may write there too.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self) -> list[KnownRun]:
        """Return them, the newest first; what another version wrote and cannot be read is left out."""
        self._store.reload()
        values = self._store.get(KEY, [])
        runs = []
        for one in values if isinstance(values, list) else []:
            try:
                runs.append(KnownRun.from_json(one))
            except (TypeError, LookupError, ValueError, AttributeError):
                continue
        return runs

    def add(self, run: KnownRun) -> None:
        """Remember a run, in the place of another with the same output."""
        self._put([run, *(one for one in self.all() if one.output != run.output)])

    def forget(self, output: str) -> None:
        """Take a run off the list; its files stay."""
        self._put([one for one in self.all() if one.output != output])

    def _put(self, runs: list[KnownRun]) -> None:
        self._store.put(**{KEY: [asdict(run) | {"shape": list(run.shape)} for run in runs[:MOST]]})
