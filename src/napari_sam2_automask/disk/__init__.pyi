from .atomic import make_folder as make_folder, sync as sync, write_all as write_all, write_one as write_one
from .leftovers import sweep as sweep
