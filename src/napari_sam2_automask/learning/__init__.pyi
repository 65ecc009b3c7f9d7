from .course import Plan as Plan
from .learning import learn as learn
from .reports import LearningProgress as LearningProgress
