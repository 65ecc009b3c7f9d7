"""Doing many independent tasks: in this process, in several, or on the workers of a Dask cluster.

`executor` says what a task and its outcome are, `process_executor` runs them in processes that are told by
pipes, `dask_executor` with Dask, `clusters` starts or finds the workers, and `process` is what each keeps
(one model, loaded once) and how it learns that a run was stopped.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
