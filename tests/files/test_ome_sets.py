"""OME-TIFF sets: each plane from the file that holds it, and a line that names a file that is missing."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest
import tifffile
from ome_sets import SHAPE, binary_only, ome_xml, uuid, write_planes, write_set
from stack_kit import find_spots, invoke, message, spots
from typer.testing import CliRunner

from napari_sam2_automask import cli
from napari_sam2_automask.batch.finding import find_images
from napari_sam2_automask.errors import ImageError
from napari_sam2_automask.files.opening import images_in, open_file
from napari_sam2_automask.files.pixel_size import scale_in_file
from napari_sam2_automask.files.reading import read_image
from napari_sam2_automask.files.stack_file import open_stack
from napari_sam2_automask.image.pick import Pick
from napari_sam2_automask.large.source.source import FileSource
from napari_sam2_automask.large.tiles.grid import Box

needs_links = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes are other things there")


def values_in(path):
    """Return the value of each plane of a file; what is said of those that cannot be read."""
    count = sum(image.count() for image in images_in(path))
    found = []
    for plane in range(count):
        try:
            pixels = read_image(path, plane if count > 1 else None).array
        except ImageError as error:
            found.append(str(error))
            continue
        assert pixels.shape == SHAPE and (pixels == pixels.flat[0]).all()
        found.append(int(pixels.flat[0]))
    return found


def assert_missing(told, path, plane, name):
    assert told.startswith(f"{path} holds no pixels of plane {plane}") and name in told
    assert "is missing or of another set" in told and "\n" not in told


def test_a_whole_set_is_the_same_from_each_of_its_files(tmp_path):
    for path in write_set(tmp_path):
        assert values_in(path) == [10, 11, 12]


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_a_plane_whose_file_is_missing_is_refused_and_the_others_are_read(tmp_path, gone):
    paths = write_set(tmp_path)
    paths[gone].unlink()
    for path in paths:
        if not path.exists():
            continue
        found = values_in(path)
        assert_missing(found.pop(gone), path, f"{gone} (C {gone})", f"c{gone}.ome.tif")
        assert found == [10 + k for k in range(3) if k != gone]
        stack = open_stack(path)
        for channel in range(3):
            if channel != gone:
                assert stack.read(Pick(channel=channel)).array.max() == 10 + channel
        for pick in (
            Pick(gone),
            Pick(channel=gone),
            Pick(channel="mix"),
            Pick(channel="pool"),
            Pick(project="max", over="C"),
        ):
            with pytest.raises(ImageError, match=f"c{gone}.ome.tif"):
                stack.read(pick)
        with pytest.raises(ImageError, match=f"c{gone}.ome.tif"):
            np.asarray(stack.array)


def test_large_reads_a_channel_that_is_there_and_refuses_one_that_is_not(tmp_path):
    paths = write_set(tmp_path)
    paths[0].unlink()
    assert FileSource(str(paths[1]), channel=2).read(0, Box(0, 0, 5, 6)).tolist() == [[12] * 6] * 5
    with pytest.raises(ImageError, match=r"c1.ome.tif holds no pixels of plane 0 \(C 0\): c0.ome.tif"):
        FileSource(str(paths[1])).read(0, Box(0, 0, 5, 6))
    words = ["large", str(paths[1]), "--out", str(tmp_path / "out.zarr"), "--points-per-side", "2"]
    done = CliRunner().invoke(cli.app, words)
    assert done.exit_code == 1 and "c0.ome.tif" in str(done.exception)
    assert not (tmp_path / "out.zarr").exists()


def test_a_set_in_a_folder_is_segmented_once_and_missing_planes_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr("napari_sam2_automask.engine.propose", find_spots)
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    paths = write_set(folder)
    tifffile.imwrite(folder / "b.tif", spots((10, 12)), metadata=None)
    assert find_images([folder])[0] == [folder / "b.tif", paths[0]]
    assert find_images(paths[::-1])[0] == [paths[2]]
    done = invoke(folder, "--planes", "all", "--out", out)
    assert done.exit_code == 0 and "4 done" in done.output
    assert "c0.ome.tif: taken together with 2 more of its set (c1.ome.tif, c2.ome.tif)" in done.output
    paths[0].unlink()
    told = message(folder, "--planes", "all", "--out", tmp_path / "less")
    assert "plane 0 (C 0): c0.ome.tif" in told
    labels = sorted(path.name for path in (tmp_path / "less").glob("*.labels.tif"))
    assert labels == ["b_plane0.labels.tif", "c1.ome_plane1.labels.tif", "c1.ome_plane2.labels.tif"]


def test_planes_without_a_description_come_with_the_file_that_tells_of_them(tmp_path):
    references = [(uuid(k), name, 0) for k, name in enumerate(("z.ome.tif", "a.tif", "b.tif"))]
    write_planes(tmp_path / "a.tif", [11])
    write_planes(tmp_path / "b.tif", [12])
    path = write_planes(tmp_path / "z.ome.tif", [10], ome_xml(references, uuid(0)))
    assert find_images([tmp_path])[0] == [path]
    assert values_in(path) == [10, 11, 12]


def test_files_that_were_renamed_are_known_by_their_uuid(tmp_path):
    paths = write_set(tmp_path)
    paths[1].rename(tmp_path / "second.tif")
    assert values_in(paths[0]) == values_in(tmp_path / "second.tif") == [10, 11, 12]
    paths[0].rename(tmp_path / "swap")
    paths[2].rename(paths[0])
    (tmp_path / "swap").rename(paths[2])
    assert values_in(paths[0]) == values_in(paths[2]) == [10, 11, 12]


def test_another_file_of_the_same_name_is_no_member(tmp_path):
    paths = write_set(tmp_path)
    write_planes(paths[1], [99], ome_xml([(uuid(9), "c1.ome.tif", 0)], uuid(9)))
    first, second, third = values_in(paths[0])
    assert (first, third) == (10, 12)
    assert_missing(second, paths[0], "1 (C 1)", "c1.ome.tif")
    assert values_in(paths[1]) == [99]


@pytest.mark.parametrize(
    ("told", "own"),
    [([0, 0, 0], [0, 0, 0]), ([0, 1, 2], [0, 0, 0]), ([0, 1, 2], [None] * 3), ([None] * 3, [None] * 3)],
)
def test_without_uuids_of_their_own_files_are_known_by_name(tmp_path, told, own):
    def named(number):
        return "" if number is None else uuid(number)

    references = [(named(one), f"c{k}.ome.tif", 0) for k, one in enumerate(told)]
    for k, one in enumerate(own):
        write_planes(tmp_path / f"c{k}.ome.tif", [10 + k], ome_xml(references, named(one)))
    for k in range(3):
        assert values_in(tmp_path / f"c{k}.ome.tif") == [10, 11, 12]
    (tmp_path / "c0.ome.tif").unlink()
    first, *others = values_in(tmp_path / "c1.ome.tif")
    assert others == [11, 12]
    assert_missing(first, tmp_path / "c1.ome.tif", "0 (C 0)", "c0.ome.tif")


def test_no_file_outside_of_the_folder_is_read(tmp_path):
    (tmp_path / "in").mkdir()
    write_planes(tmp_path / "secret.tif", [66])
    names = ["a.ome.tif", "../secret.tif", str(tmp_path / "secret.tif"), "..\\secret.tif", "", ".."]
    references = [(uuid(k), name, 0) for k, name in enumerate(names)]
    path = write_planes(tmp_path / "in" / "a.ome.tif", [10], ome_xml(references, uuid(0)))
    first, *others = values_in(path)
    assert first == 10 and len(others) == 5
    for plane, told in enumerate(others, 1):
        assert told.startswith(f"{path} holds no pixels of plane {plane} (C {plane})")
    # One that lies beside under that name is taken if its UUID is the right one, and not otherwise.
    write_planes(tmp_path / "in" / "secret.tif", [77])
    assert isinstance(values_in(path)[1], str)
    write_planes(tmp_path / "in" / "secret.tif", [77], ome_xml(references, uuid(1)))
    assert values_in(path)[1] == 77


@needs_links
def test_what_is_no_regular_file_is_not_opened(tmp_path):
    paths = write_set(tmp_path)
    for path in paths[1:]:
        path.unlink()
    os.mkfifo(paths[1])
    paths[2].symlink_to(tmp_path / "nowhere.tif")
    first, *others = values_in(paths[0])
    assert first == 10 and all("is missing" in told for told in others)


def test_pages_in_another_order_and_pages_that_are_not_there(tmp_path):
    path, own = tmp_path / "a.ome.tif", uuid(0)
    pages = [(own, path.name, 2), (own, path.name, 0), (own, path.name, 1)]
    write_planes(path, [10, 11, 12], ome_xml(pages, own))
    assert values_in(path) == [12, 10, 11]
    write_planes(path, [10, 11, 12], ome_xml([(own, path.name, page) for page in (2, 7, -1)], own))
    first, *others = values_in(path)
    assert first == 12
    for plane, told in enumerate(others, 1):
        assert told.startswith(
            f"{path} holds no pixels of plane {plane} (C {plane}): the file that does is missing or damaged"
        )


def test_runs_of_planes_in_files(tmp_path):
    data = "".join(
        f'<TiffData FirstZ="{3 * k}" IFD="0" PlaneCount="3">'
        f'<UUID FileName="z{k}.ome.tif">{uuid(k)}</UUID></TiffData>'
        for k in range(2)
    )
    sizes = 'SizeZ="6" SizeC="1" SizeT="1"'
    for k in range(2):
        xml = ome_xml([], uuid(k), sizes, data)
        write_planes(tmp_path / f"z{k}.ome.tif", [10 * k, 10 * k + 1, 10 * k + 2], xml)
    assert values_in(tmp_path / "z1.ome.tif") == [0, 1, 2, 10, 11, 12]
    (tmp_path / "z0.ome.tif").unlink()
    *others, a, b, c = values_in(tmp_path / "z1.ome.tif")
    assert [a, b, c] == [10, 11, 12]
    for plane, told in enumerate(others):
        assert_missing(told, tmp_path / "z1.ome.tif", f"{plane} (Z {plane})", "z0.ome.tif")
    array, axes = open_file(tmp_path / "z1.ome.tif")
    assert axes == "ZYX" and np.asarray(array[3:]).mean((1, 2)).tolist() == [10, 11, 12]
    with pytest.raises(ImageError, match=r"planes 1 \(Z 1\), 2 \(Z 2\): z0.ome.tif"):
        array[1:, 3]


def test_a_description_in_another_file(tmp_path):
    references = [(uuid(k), f"c{k}.ome.tif", 0) for k in range(3)]
    for k in range(3):
        write_planes(tmp_path / f"c{k}.ome.tif", [10 + k], binary_only(uuid(k), "set.companion.ome", uuid(9)))
    # Without it nobody knows of a set: a file's pages are its own.
    assert values_in(tmp_path / "c1.ome.tif") == [11]
    (tmp_path / "set.companion.ome").write_text(ome_xml(references, uuid(8)))
    assert values_in(tmp_path / "c1.ome.tif") == [11]
    (tmp_path / "set.companion.ome").write_text(ome_xml(references, uuid(9)))
    for k in range(3):
        assert values_in(tmp_path / f"c{k}.ome.tif") == [10, 11, 12]
    assert find_images([tmp_path])[0] == [tmp_path / "c0.ome.tif"]
    assert scale_in_file(tmp_path / "c2.ome.tif").spacing == (None, 0.25, 0.5)
    (tmp_path / "c0.ome.tif").unlink()
    assert_missing(values_in(tmp_path / "c1.ome.tif")[0], tmp_path / "c1.ome.tif", "0 (C 0)", "c0.ome.tif")


def test_a_description_in_the_first_file(tmp_path):
    references = [(uuid(k), f"c{k}.ome.tif", 0) for k in range(2)]
    write_planes(tmp_path / "c0.ome.tif", [10], ome_xml(references, uuid(0)))
    write_planes(tmp_path / "c1.ome.tif", [11], binary_only(uuid(1), "c0.ome.tif", uuid(0)))
    assert values_in(tmp_path / "c0.ome.tif") == values_in(tmp_path / "c1.ome.tif") == [10, 11]


@pytest.mark.parametrize("first", [{}, {"compression": "zlib"}])
@pytest.mark.parametrize(
    ("pixels", "how"),
    [
        (np.full(SHAPE, 11, np.uint8), {"compression": "lzw", "byteorder": ">"}),
        (np.full(SHAPE, 11, np.uint8), {"tile": (16, 16)}),
        (np.full(SHAPE, 11, np.uint8), {"rowsperstrip": 3, "compression": "zlib"}),
        (np.full((10, 15), 11, np.uint8), {}),
        (np.full((20, 15), 257, np.uint16), {}),  # as many bytes
        (np.full(SHAPE, 257, np.uint16), {"compression": "zlib"}),
    ],
)
def test_files_that_are_stored_in_other_ways_are_read_and_other_pixels_refused(tmp_path, first, pixels, how):
    references = [(uuid(k), f"c{k}.ome.tif", 0) for k in range(2)]
    one, two = (tmp_path / name for _, name, _ in references)
    described = [ome_xml(references, uuid(k)).encode() for k in range(2)]
    tifffile.imwrite(one, np.full(SHAPE, 10, np.uint8), description=described[0], metadata=None, **first)
    tifffile.imwrite(two, pixels, description=described[1], metadata=None, **how)
    found, other = values_in(one)
    assert found == 10
    if (pixels.shape, pixels.dtype) == (SHAPE, np.uint8):
        assert other == 11
    else:
        assert_missing(other, one, "1 (C 1)", "c1.ome.tif")


def two_images(own):
    """Return the OME-XML of two images, each in a file of its own."""
    first = ome_xml([(uuid(0), "a.ome.tif", 0)], own)
    second = ome_xml([(uuid(1), "b.ome.tif", 0)], own).replace("cells", "others").replace("0.5", "2")
    image = second[second.index("<Image") : second.index("</OME>")]
    return first.replace("</OME>", f"{image}</OME>")


def test_an_image_whose_only_file_is_missing_keeps_its_number(tmp_path):
    for k, name in enumerate(("a.ome.tif", "b.ome.tif")):
        write_planes(tmp_path / name, [10 + k], two_images(uuid(k)))
    assert values_in(tmp_path / "a.ome.tif") == values_in(tmp_path / "b.ome.tif") == [10, 11]
    (tmp_path / "a.ome.tif").unlink()
    path = tmp_path / "b.ome.tif"
    told, second = values_in(path)
    assert second == 11
    assert_missing(told, path, "0", "a.ome.tif")
    with pytest.raises(ImageError, match="holds 2 series: choose with --series N, from 0 to 1"):
        open_stack(path)
    assert open_stack(path, series=1).size == (None, 0.25, 2.0, "um")
    assert [image.name for image in images_in(path)] == ["cells", "others"]


def test_colours_of_a_missing_file_are_not_black_either(tmp_path):
    colour = '<Channel ID="Channel:0:0" SamplesPerPixel="3"/>'
    data = "".join(
        f'<TiffData FirstZ="{k}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="z{k}.ome.tif">{uuid(k)}</UUID></TiffData>'
        for k in range(2)
    )
    for kind, photometric in ((np.uint8, "rgb"), (np.uint8, "minisblack")):
        xml = ome_xml([], uuid(1), 'SizeZ="2" SizeC="3" SizeT="1"', colour + data)
        pixels = np.full((*SHAPE, 3), 7, kind)
        path = tmp_path / "z1.ome.tif"
        with tifffile.TiffWriter(path) as file:
            file.write(
                pixels,
                photometric=photometric,
                planarconfig="contig",
                description=xml.encode(),
                metadata=None,
            )
        stack = open_stack(path)
        chosen = Pick(1) if photometric == "rgb" else Pick(1, channel=2)
        assert stack.read(chosen).array.min() == 7
        with pytest.raises(ImageError, match=r"z0.ome.tif, which should hold"):
            stack.read(Pick(0) if photometric == "rgb" else Pick(0, channel=2))


@pytest.mark.parametrize("size", ["2000000000", "99999999999999999999", "-1"])
def test_more_planes_than_there_can_be_are_refused(tmp_path, size):
    sizes = f'SizeZ="{size}" SizeC="1" SizeT="1"'
    path = write_planes(tmp_path / "a.ome.tif", [5], ome_xml([], uuid(0), sizes, "<TiffData/>"))
    with pytest.raises(ImageError, match="planes, which no file can hold"):
        images_in(path)
    counted = '<TiffData IFD="0" PlaneCount="2000000000"/>'
    path = write_planes(
        tmp_path / "b.ome.tif", [5], ome_xml([], uuid(0), 'SizeZ="1" SizeC="1" SizeT="1"', counted)
    )
    assert values_in(path) == [5]


@pytest.mark.parametrize("broken", ["<OME", "SizeZ", "DimensionOrder"])
def test_a_damaged_description_leaves_the_pages(tmp_path, broken):
    xml = ome_xml([(uuid(0), "a.ome.tif", 0), (uuid(1), "b.ome.tif", 0)], uuid(0))
    path = write_planes(tmp_path / "a.ome.tif", [5, 6], xml.replace(broken, "X", 1))
    write_planes(tmp_path / "b.ome.tif", [9])
    assert values_in(path) == [5, 6]


def test_where_the_planes_lie_in_their_own_unit(tmp_path):
    place = (
        '<Plane TheZ="0" TheC="0" TheT="0" PositionX="1.5" PositionXUnit="mm" '
        'PositionY="20" PositionYUnit="µm"/>'
    )
    sizes = 'SizeZ="1" SizeC="1" SizeT="1"'
    path = write_planes(tmp_path / "a.ome.tif", [5], ome_xml([], uuid(0), sizes, "<TiffData/>", place))
    found = scale_in_file(path)
    assert found.spacing == (None, 0.25, 0.5) and found.unit == "um"
    assert found.origin == pytest.approx((0.0, 20.0, 1500.0))
    # A number without a unit counts in nobody knows what.
    unknown = place.replace(' PositionXUnit="mm"', "").replace(
        'PositionYUnit="µm"', 'PositionYUnit="reference frame"'
    )
    write_planes(path, [5], ome_xml([], uuid(0), sizes, "<TiffData/>", unknown))
    assert scale_in_file(path).origin == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(("first", "z"), [(0, 3.0), (1, 0.0)])
def test_the_first_plane_is_so_by_its_number(tmp_path, first, z):
    """The planes of some programs are told in the order in which they were taken."""

    def plane(number):
        at = f'TheZ="{number}" TheC="0" TheT="0" PositionX="{7 + number}" PositionXUnit="µm"'
        return f'<Plane {at} PositionZ="{3 + 2 * number}" PositionZUnit="µm"/>'

    sizes = 'SizeZ="3" SizeC="1" SizeT="1" PhysicalSizeZ="2"'
    told = plane(2) + plane(first)
    path = write_planes(tmp_path / "a.ome.tif", [5, 6, 7], ome_xml([], uuid(0), sizes, "<TiffData/>", told))
    # Where a later section lies is not where the first one lies.
    assert scale_in_file(path).origin == (z, 0.0, 7.0 + first)
