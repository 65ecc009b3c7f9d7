from .actions import (
    Action as Action,
    Add as Add,
    Carry as Carry,
    Lock as Lock,
    Merge as Merge,
    Paint as Paint,
    Release as Release,
    Remove as Remove,
    Reshape as Reshape,
    Settle as Settle,
    Split as Split,
    Step as Step,
    actions_from as actions_from,
)
from .mends import Done as Done, Mends as Mends
from .rle_mask import RleMask as RleMask
from .state import Kept as Kept
