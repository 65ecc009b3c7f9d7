from .low_rank import LowRankDecoder as LowRankDecoder
from .plain import PlainDecoder as PlainDecoder
