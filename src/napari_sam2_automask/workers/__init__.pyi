from .clusters import connect as connect, workers_of as workers_of
from .dask_executor import DaskExecutor as DaskExecutor
from .executor import Executor as Executor, Outcome as Outcome, Serial as Serial
from .process_executor import ProcessExecutor as ProcessExecutor
from .tls import TlsFiles as TlsFiles
