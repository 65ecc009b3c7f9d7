from .inputs import read_record as read_record
from .replaying import Replay as Replay, replay as replay
