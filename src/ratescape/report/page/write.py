"""The page as a file: its data inside its markup, style and script."""

import html
import importlib.resources
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import plotly.offline

from ratescape.records.files import write_atomically
from ratescape.records.folders import SweepFolder
from ratescape.records.refined import read_refined
from ratescape.records.table import read_table
from ratescape.report.page.data import page_data
from ratescape.report.page.notes import with_not_drawn
from ratescape.report.page.script import join_modules


def write_page(folder: SweepFolder, not_drawn: Mapping[str, str] | None = None) -> Path:
    """Write ``report.html`` of a sweep.

    Args:
        not_drawn: figures that could not be drawn, and why: the page says so.

    Raises:
        RecordError: the folder is no sweep, has no run to show, or cannot be written.

    Example::

        write_page(SweepFolder(Path("demo")))  # demo/report.html
    """
    table = read_table(folder)
    refined = read_refined(folder, table)
    data = page_data(folder, table, refined.rows)
    data["warnings"] += [f"Unreadable refined model: {line}." for line in refined.broken]
    data["warnings"] = with_not_drawn(data["warnings"], table, not_drawn or {})
    write_atomically(folder.report, render(data))
    return folder.report


def render(data: Mapping[str, Any]) -> str:
    """The page around its data; the placeholders of ``page.html`` are filled in one pass.

    All data reach the page as JSON, without a ``<``: no text of a sweep can end its element or start another.
    """
    parts = {
        "TITLE": html.escape(data["title"]),
        "ITEM": data["item"],
        "STYLE": _resource("theme.css") + _resource("page.css"),
        "DATA": json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
        "PLOTLY": plotly.offline.get_plotlyjs().replace("</script", "<\\/script"),
        "SCRIPT": join_modules("main.js", _resource),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _resource("page.html"))


def _resource(name: str) -> str:
    return importlib.resources.files("ratescape.report.page").joinpath(name).read_text(encoding="utf-8")
