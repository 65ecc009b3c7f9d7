"""The page of a folder's results: what is on it, in one file that asks for nothing else."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam2_automask.disk.atomic import write_one
from napari_sam2_automask.disk.output_errors import check_name, writing
from napari_sam2_automask.errors import OutputNameError
from napari_sam2_automask.files.own_results import SOFTWARE
from napari_sam2_automask.progress import Progress, no_progress
from napari_sam2_automask.report.charts import bars, histogram
from napari_sam2_automask.report.collecting import results_in
from napari_sam2_automask.report.numbers import all_measures, odd_images
from napari_sam2_automask.report.sections import card, failures, outliers, settings_of, summary, versions

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from napari_sam2_automask.progress import ProgressCallback
    from napari_sam2_automask.report.collecting import Result

__all__ = ["write_report"]

#: By this a page is known again, and within so many bytes.
_GENERATOR, _HEAD = f"<meta name='generator' content='{SOFTWARE}'>", 300
#: Results that are shown with a picture; the others are in the table all the same.
_PICTURES = 500
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:1100px;padding:0 1em;color:#1b1b1b}
body{background:#fff}h1{font-size:1.6em;margin-bottom:0}h2{margin-top:2em;border-bottom:1px solid #ccc}
table{border-collapse:collapse}td,th{padding:.25em .8em .25em 0;text-align:left;vertical-align:top}
td.n,th.n{text-align:right}tr+tr td{border-top:1px solid #e4e4e4}td{overflow-wrap:anywhere}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(240px,1fr));gap:1em}
.card{border:1px solid #ddd;border-radius:6px;padding:.6em;break-inside:avoid;overflow-wrap:anywhere}
.card img{width:100%;background:#000;border-radius:4px}.note{color:#666;font-size:.9em}
.out{color:#a33d00;font-weight:600}figure{display:inline-block;width:320px;margin:.5em 1em .5em 0}
figure.wide{width:100%}figcaption{font-weight:600;font-size:.9em}svg{width:100%;height:auto}
figure.wide svg{height:120px}rect{fill:#0072b2}.median{stroke:#d55e00;stroke-width:2}
text{font-size:11px;fill:#555}.mid{text-anchor:middle}.end{text-anchor:end}
pre{white-space:pre-wrap;background:#f6f6f6;padding:.8em;border-radius:6px;font-size:.85em}
@media print{details{display:none}}
""".strip()


def write_report(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    progress: ProgressCallback = no_progress,
) -> Path:
    """Write a page of the results in a folder: one HTML file that asks for nothing else.

    Parameters
    ----------
    folder : path
        Where `sam2-automask segment` wrote its results.
    out : path, optional
        The file; ``report.html`` in the folder when left out. A page of before is replaced.
    progress : callable
        Takes how many results are drawn; may raise `Cancelled`.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    SettingsError
        If there are no results in the folder.
    OutputError
        If the page cannot be written, or would replace what is no such page.
    """
    folder = Path(folder)
    path = folder / "report.html" if out is None else Path(out)
    check_name(path)
    if path.exists() and not _is_page(path):
        raise OutputNameError(f"{path} is there already and is no such page: choose another name with --out")
    results, wrong = results_in(folder)
    # The bytes of a name that are no text are shown as they are escaped.
    write_one(path, _page(folder, results, wrong, progress).encode(errors="backslashreplace"))
    return path


def _is_page(path: Path) -> bool:
    """Tell whether a file is a page that was written here."""
    with writing(path), path.open("rb") as file:
        return _GENERATOR.encode() in file.read(_HEAD)


def _page(folder: Path, results: Sequence[Result], wrong: dict[str, str], progress: ProgressCallback) -> str:
    counts = [len(one.table) for one in results]
    odd = odd_images(results)
    name = escape(folder.absolute().name or "results")
    times = sorted(filter(None, (one.record.time for one in results)))
    made = (
        f", made {times[0][:10]}" + (f" to {times[-1][:10]}" if times[-1][:10] != times[0][:10] else "")
        if times
        else ""
    )
    parts = [
        f"<h1>{name}</h1><p class='note'>{len(results):,} results, {sum(counts):,} objects{escape(made)}</p>",
        "<h2>Counts</h2>",
        bars(counts, [one.stem for one in results], "Objects") if len(results) > 1 else "",
        summary(results, odd),
        "<h2>Images</h2><div class='cards'>",
        *(card(one, k < _PICTURES, odd) for k, one in _told(results, progress)),
        "</div>",
        failures(wrong),
        "<h2>Distributions</h2>",
        *(histogram(values, title) for title, values in all_measures(results).items()),
        "<h2>Outliers</h2>",
        outliers(results, odd),
        "<h2>Settings</h2>",
        settings_of(results),
        "<h2>Versions</h2>",
        versions(results),
    ]
    body = "\n".join(filter(None, parts))
    return (
        f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>{_GENERATOR}"
        f"<title>{name}</title>"
        "<meta name='viewport' content='width=device-width'>"
        # Nothing is loaded and nothing runs, whatever the results say.
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; img-src data:; "
        f"style-src 'unsafe-inline'\"><style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def _told(results: Sequence[Result], progress: ProgressCallback) -> Iterable[tuple[int, Result]]:
    for k, one in enumerate(results):
        progress(Progress("report", k, len(results)))
        yield k, one
