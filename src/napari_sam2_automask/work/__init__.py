"""Doing many independent tasks: in this process, in several, or on the workers of a Dask cluster.

`executing` says what a task and its outcome are, `distribute` runs them with Dask, `clusters` finds or starts
the workers, `stopping` tells them that a run was stopped, and `worker` is what each keeps: one model, loaded
once.
"""
