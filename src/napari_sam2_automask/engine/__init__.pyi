from .asking import Asked as Asked, ask as ask
from .cost import Estimate as Estimate, estimate as estimate
from .encoder.cache import keep_features_in as keep_features_in
from .proposing import estimate_diameter as estimate_diameter, propose as propose
from .scribbles import along as along
