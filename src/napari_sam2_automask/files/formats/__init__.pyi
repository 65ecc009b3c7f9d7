from .cellpose import read_cellpose as read_cellpose
from .exporting import FORMATS as FORMATS, export as export
from .geojson import read_geojson as read_geojson
from .imagej import read_rois as read_rois
from .outlined import Outlined as Outlined, Outlines as Outlines
from .yolo import read_yolo as read_yolo
