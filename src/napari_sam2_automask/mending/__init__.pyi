from .actions import (
    Action as Action,
    Add as Add,
    Carry as Carry,
    Grow as Grow,
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
from .object_facts import facts_with as facts_with, tell_edits as tell_edits
from .rle_mask import RleMask as RleMask
from .segmented import mended_record as mended_record, segmented as segmented
from .state import Kept as Kept
