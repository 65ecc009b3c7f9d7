from .candidates import Candidates as Candidates, Floor as Floor, left_out_text as left_out_text
from .file import load_candidates as load_candidates, save_candidates as save_candidates
from .logit_windows import LogitWindows as LogitWindows
from .lookups import Lookups as Lookups
from .pooling import pool as pool, take as take
