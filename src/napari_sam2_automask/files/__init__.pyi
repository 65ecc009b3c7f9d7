from .coco import CocoObjects as CocoObjects, from_coco as from_coco, to_coco as to_coco
from .formats.cellpose import read_cellpose as read_cellpose
from .formats.exporting import export as export
from .formats.geojson import geojson_of as geojson_of, read_geojson as read_geojson
from .formats.imagej import read_rois as read_rois
from .formats.outlined import Outlines as Outlines
from .formats.yolo import read_yolo as read_yolo
from .formats.zarr_labels import write_zarr_labels as write_zarr_labels
from .labels_tiff import write_labels as write_labels
from .opening import count_series as count_series, open_file as open_file
from .pixel_size import PixelSize as PixelSize, pixel_size_of as pixel_size_of
from .pyramid import level_for as level_for
from .reading import every_plane as every_plane, read_image as read_image
from .results import (
    ResultPaths as ResultPaths,
    write_files as write_files,
    write_results as write_results,
)
from .stack_file import Stack as Stack, open_stack as open_stack, stack_of as stack_of
from .web_address import Address as Address, web_address as web_address
