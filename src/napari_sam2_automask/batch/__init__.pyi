from .file_results import FileResult as FileResult
from .image_jobs import (
    Job as Job,
    find_images as find_images,
    plan_jobs as plan_jobs,
    unique_stems as unique_stems,
)
from .run_images import file_hash as file_hash, run_jobs as run_jobs
from .run_on_workers import JobTask as JobTask
from .stack_jobs import LinkPaths as LinkPaths, StackJob as StackJob, plan_stacks as plan_stacks
