from .catalogue.downloading import download as download
from .catalogue.registry import (
    ModelEntry as ModelEntry,
    find_entry as find_entry,
    list_models as list_models,
    model_folder as model_folder,
)
from .catalogue.verifying import verify as verify
from .loading import load_model as load_model
from .networks.building import build_official as build_official
from .networks.model import Model as Model
from .reference import meta_generator as meta_generator
from .runtime.devices import describe_device as describe_device, resolve_device as resolve_device
from .runtime.sam2_import import import_sam2 as import_sam2
