from .clusters import connect as connect, local_cluster as local_cluster
from .dask_executor import DaskExecutor as DaskExecutor
from .executor import Executor as Executor, Outcome as Outcome, Serial as Serial
