from .catalogue.card import Card as Card
from .catalogue.downloading import download as download
from .catalogue.entry import ModelEntry as ModelEntry
from .catalogue.folders import model_folder as model_folder, own_folder as own_folder
from .catalogue.registry import find_entry as find_entry, list_models as list_models, own_path as own_path
from .catalogue.verifying import verify as verify
from .keeping import add_model as add_model, save_model as save_model
from .loading import load_model as load_model
from .networks.building import build_official as build_official
from .networks.model import Model as Model
from .reference import meta_generator as meta_generator
from .runtime.devices import describe_device as describe_device, resolve_device as resolve_device
from .runtime.sam2_import import import_sam2 as import_sam2
