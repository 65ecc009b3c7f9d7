from .contributions.coco_layers import read_coco as read_coco, write_coco as write_coco
from .contributions.read_labels import read_labels as read_labels
from .contributions.sample_data import open_sample as open_sample
from .contributions.save_labels import write_labels as write_labels
from .layers.point_grid import grid_from_points as grid_from_points
from .widget import AutomaskWidget as AutomaskWidget
