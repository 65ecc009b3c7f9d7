from .atomic import make_folder as make_folder, sync as sync, write_all as write_all, write_one as write_one
from .json_file import json_bytes as json_bytes, read_json as read_json
from .leftovers import sweep as sweep
