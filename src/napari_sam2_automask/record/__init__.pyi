from .environment import json_ready as json_ready, package_versions as package_versions
from .making import make_record as make_record
from .record import RECORD_FORMAT as RECORD_FORMAT, RECORD_VERSION as RECORD_VERSION, Record as Record
from .settings_in import settings_from as settings_from
