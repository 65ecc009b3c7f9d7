"""Write objects of labels as AnnData and read them back with anndata itself; the folder is the argument."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np

from napari_sam2_automask import measure
from napari_sam2_automask.files import Outlines, export
from napari_sam2_automask.files.pixel_size import FileScale


def main(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for depth in (0, 4):
        labels = np.kron(rng.permutation(200)[: 10 * 12].reshape(10, 12), np.ones((6, 6), int))
        labels = np.stack([labels] * depth) if depth else labels
        size = (2.0, 0.5, 0.25, "um")
        table = measure(labels, pixel_size=size[3 - labels.ndim : 3], unit="um").assign(edited="")
        table.loc[0, "edited"] = "added"
        outlines = replace(Outlines.of_labels(labels, "cells.tif", table), scale=FileScale.of_size(size))
        found = anndata.read_h5ad(export(outlines, folder / "a.h5ad", "anndata"))
        wanted = table[list(found.var_names)].to_numpy(np.float64)
        np.testing.assert_array_equal(found.X, wanted)
        assert found.obs_names.tolist() == [str(label) for label in table["index"]]
        axes = "xyz" if depth else "xy"
        for name, unit in (("spatial", ""), ("spatial_um", "_um")):
            places = table[[f"centroid_{axis}{unit}" for axis in axes]].to_numpy()
            np.testing.assert_allclose(found.obsm[name], places, rtol=1e-12)
        assert found.obs["edited"].astype(str).tolist() == table["edited"].tolist()
        assert found.uns["image"] == "cells.tif"
        print(found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
