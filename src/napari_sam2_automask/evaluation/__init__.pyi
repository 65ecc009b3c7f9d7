from .comparison import compare_with_truth as compare_with_truth, draw_outlines as draw_outlines
from .demo import DemoResult as DemoResult, run_demo as run_demo
from .score import (
    Match as Match,
    best_ious as best_ious,
    double_masks as double_masks,
    doubly_masked as doubly_masked,
    f1 as f1,
    iou_matrix as iou_matrix,
    match as match,
    mean_segmentation_accuracy as mean_segmentation_accuracy,
    unlabelled as unlabelled,
)
from .sweeping import Step as Step, contact_sheet as contact_sheet, sweep as sweep
from .tuning import Trial as Trial, Tuning as Tuning, tune as tune
