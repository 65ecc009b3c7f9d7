from .carrying import Propagation as Propagation
from .linked_planes import Linked as Linked, link_planes as link_planes, number_planes as number_planes
from .links import Links as Links
from .measured import measure_bodies as measure_bodies, measure_frames as measure_frames
from .numbers import Numbers as Numbers
from .plane_mends import PlaneMends as PlaneMends
from .plane_store import PlaneStore as PlaneStore
from .propagating import propagate_planes as propagate_planes
from .relabelled import Relabelled as Relabelled
from .splits_and_merges import Event as Event, find_events as find_events
from .track_arrays import TrackData as TrackData, tracks as tracks
