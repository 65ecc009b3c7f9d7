from .selecting import (
    Masks as Masks,
    drop_mended_duplicates as drop_mended_duplicates,
    non_maximum_suppression as non_maximum_suppression,
    select as select,
)
