"""The page of a folder's results: what it says, and that it needs and runs nothing."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import tifffile
from mask_factory import make_masks, rectangle
from PIL import Image

from napari_sam2_automask import AmgSettings, paint
from napari_sam2_automask.errors import OutputNameError, SettingsError
from napari_sam2_automask.files.hashes import file_hash
from napari_sam2_automask.files.results import ResultPaths, write_results
from napari_sam2_automask.record.making import make_record
from napari_sam2_automask.report import write_report
from napari_sam2_automask.report.charts import histogram, number

SHAPE = (60, 80)


class Page(HTMLParser):
    """What a page refers to, and the texts of its cells."""

    def __init__(self, text):
        super().__init__()
        self.links, self.tags, self.cells, self.cell = [], [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "data", "action")]
        if tag in ("td", "h1"):
            self.cell = ""

    def handle_data(self, data):
        if self.cell is not None:
            self.cell += data

    def handle_endtag(self, tag):
        if tag in ("td", "h1"):
            self.cells.append(self.cell)
            self.cell = None


def add(folder, stem, boxes, settings=None, image=True):
    """Write an image and its results."""
    settings = settings or AmgSettings(measures=("circularity",))
    path = folder / f"{stem}.tif"
    pixels = np.full(SHAPE, 50, np.uint8)
    for y, x, height, width in boxes:
        pixels[y : y + height, x : x + width] = 200
    tifffile.imwrite(path, pixels)
    masks = make_masks(
        SHAPE, [rectangle(SHAPE, y, x, y + height, x + width) for y, x, height, width in boxes]
    )
    record = make_record(
        settings, preset="balanced", image=pixels, image_name=path.name,
        file={"name": path.name, "sha256": file_hash(path), "path": str(path.absolute())},
    )  # fmt: skip
    out = folder / "results"
    out.mkdir(exist_ok=True)
    write_results(paint(masks, image=pixels, record=record), ResultPaths.of(out, stem), path.name)
    if not image:
        path.unlink()
    return out


def grid(count):
    return [(2 + 10 * (k // 7), 2 + 11 * (k % 7), 6, 5 + k % 3) for k in range(count)]


def test_the_page_says_what_was_found(tmp_path):
    for k in range(6):
        folder = add(tmp_path, f"cells{k}", grid(10 + k % 2))
    add(tmp_path, "odd", grid(35))
    page = Page(write_report(folder).read_text("utf-8"))
    assert page.cells[0] == "results"
    rows = {page.cells[k]: page.cells[k + 1] for k in range(len(page.cells) - 1)}
    assert rows["cells0"] == "10" and rows["cells1"] == "11"
    assert page.cells[page.cells.index("odd") + 1 : page.cells.index("odd") + 4][::2] == [
        "35",
        "many objects",
    ]
    pictures = [link for link in page.links if link.startswith("data:image/png;base64,")]
    assert len(pictures) == 7 and page.links == pictures  # nothing else is referred to
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(pictures[0].split(",")[1]))))
    assert picture.shape == (*SHAPE, 3)
    assert picture[2, 2].tolist() == [240, 228, 66] and picture[4, 4].tolist() == [255] * 3
    text = (folder / "report.html").read_text("utf-8")
    assert "http://" not in text and "https://" not in text and "url(" not in text
    assert "Content-Security-Policy" in text
    assert "<figcaption>area</figcaption>" in text and "<figcaption>mask_area</figcaption>" in text
    assert "<figcaption>mean_intensity" not in text  # the same for all
    assert "numpy" in page.cells and "measures" in page.cells


def test_the_same_results_give_the_same_page(tmp_path):
    folder = add(tmp_path, "a", grid(3))
    one = write_report(folder).read_bytes()
    assert write_report(folder, tmp_path / "again.html").read_bytes() == one


def test_what_is_missing_is_said(tmp_path):
    add(tmp_path, "gone", grid(2), image=False)
    add(tmp_path, "changed", grid(2))
    folder = add(tmp_path, "fine", grid(2))
    tifffile.imwrite(tmp_path / "changed.tif", np.zeros(SHAPE, np.uint8))
    (folder / "bad.record.json").write_text("{}")
    (folder / "bad.table.csv").write_text("index\n1\n")
    (folder / "lonely.record.json").write_text("{}")
    text = write_report(folder).read_text("utf-8")
    assert "gone.tif is not where it was" in text
    assert "changed.tif has changed since" in text
    assert "Not read" in text and "there is no lonely.table.csv" in text and "no record of a run" in text
    assert text.count("data:image/png;base64,") == 3


def test_names_are_text_and_nothing_else(tmp_path):
    folder = add(tmp_path, "a<img src=x onerror=alert(1)>&'", grid(2))
    page = Page(write_report(folder).read_text("utf-8"))
    assert "a<img src=x onerror=alert(1)>&'" in page.cells
    assert page.tags.count("img") == 1


def test_a_name_that_is_no_text_is_shown_escaped(tmp_path):
    """Such as one of bytes that are no UTF-8."""
    page = write_report(add(tmp_path, "a\udcff", grid(2))).read_text("utf-8")
    assert "a\\udcff" in Page(page).cells


def test_several_settings_are_told_apart(tmp_path):
    add(tmp_path, "a", grid(2))
    folder = add(tmp_path, "b", grid(2), AmgSettings(min_area=7))
    text = write_report(folder).read_text("utf-8")
    assert re.search(r"<p>b</p>.*?<td>min_area</td><td>7</td>", text, re.DOTALL)


def test_linked_stacks_and_images_without_objects(tmp_path):
    folder = add(tmp_path, "none", [])
    labels = np.zeros((3, *SHAPE), np.uint16)
    labels[1, 5:9, 5:9] = 1
    tifffile.imwrite(folder / "s_linked.labels.tif", labels)
    pd.DataFrame({"index": [1], "voxels": [16], "mean_area": [16.0]}).to_csv(folder / "s_linked.objects.csv")
    record = json.loads((folder / "none.record.json").read_text())
    (folder / "s_linked.record.json").write_text(json.dumps(record | {"planes": [record] * 3}))
    text = write_report(folder).read_text("utf-8")
    assert "plane 1 of 3" in text and "s_linked" in text


@pytest.mark.parametrize("kind", ["empty", "missing", "file"])
def test_a_folder_without_results_is_refused(tmp_path, kind):
    folder = tmp_path / "f"
    if kind == "empty":
        folder.mkdir()
    elif kind == "file":
        folder.write_text("")
    with pytest.raises(SettingsError, match="`segment` wrote to"):
        write_report(folder)
    assert not list(tmp_path.glob("**/report.html"))


def test_a_page_takes_the_place_of_no_other_file(tmp_path):
    folder = add(tmp_path, "a", grid(1))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for path in before:
        with pytest.raises(OutputNameError, match="is there already and is no such page"):
            write_report(folder, path)
    assert {path: path.read_bytes() for path in before} == before
    assert write_report(folder) == write_report(folder)


def test_a_folder_in_the_way_of_the_page_is_said(tmp_path):
    folder = add(tmp_path, "a", grid(1))
    (folder / "report.html").mkdir()
    with pytest.raises(OutputNameError):
        write_report(folder)


def test_charts_hold_every_value():
    values = np.array([1.0, 1.0, 2.0, 5.0])
    svg = histogram(values, "area")
    heights = [float(one) for one in re.findall(r'height="([0-9.]+)"', svg)]
    assert sum(height > 0 for height in heights) == 3 and max(heights) == 110
    assert "4 values from 1 to 5, median 1.5" in svg
    assert [number(one) for one in (1234567.0, 0.123456, np.nan)] == ["1,234,567", "0.1235", "-"]
