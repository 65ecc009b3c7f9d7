from .api import propose as propose, segment as segment
from .candidates.candidates import Candidates as Candidates
from .candidates.file import load_candidates as load_candidates, save_candidates as save_candidates
from .errors import AutomaskError as AutomaskError
from .evaluation.sweeping import sweep as sweep
from .evaluation.tuning import tune as tune
from .image.view import to_model_view as to_model_view
from .large.run import segment_large as segment_large
from .learning.learning import learn as learn
from .measures.measuring import measure as measure
from .mending.mends import Mends as Mends
from .models.keeping import save_model as save_model
from .models.loading import load_model as load_model
from .painting.labels import paint as paint
from .painting.live import LiveSelection as LiveSelection
from .painting.segmentation import Segmentation as Segmentation
from .progress import Cancelled as Cancelled, Progress as Progress
from .selection.selecting import Masks as Masks, select as select
from .settings.amg import AmgSettings as AmgSettings
from .settings.physical import in_pixels as in_pixels
from .settings.presets import PRESETS as PRESETS, Preset as Preset
from .settings.units import Pixel as Pixel
from .stack.carrying import Propagation as Propagation
from .stack.linked_planes import link_planes as link_planes
from .stack.propagating import propagate_planes as propagate_planes
from .stack.track_arrays import tracks as tracks

__version__: str
