from .learning import LearningProgress as LearningProgress, learn as learn
from .trainer import Plan as Plan
