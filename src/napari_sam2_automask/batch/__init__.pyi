from .file_results import FileResult as FileResult, write_summary as write_summary
from .finding import find_images as find_images
from .job_task import JobTask as JobTask
from .jobs import Job as Job, LinkPaths as LinkPaths, StackJob as StackJob
from .planning import Plan as Plan, Wanted as Wanted, plan as plan
from .running import run as run
