"""How what a landscape answers looks in a notebook: a small table, and pictures that are there already."""

import base64
import html
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from ratescape.selection import Choice

LARGEST = 300_000
"""Bytes of the largest picture that is put into a notebook."""


def metric_text(choice: Choice, row: pd.Series) -> str:
    """What decided, of one model, such as ``24.31 dB``."""
    return f"{choice.value(row):.4g} {choice.metric.unit}".rstrip()


def card(title: str, facts: Mapping[str, object], note: str = "", pictures: Mapping[str, Path] | None = None) -> str:
    """HTML of a title, facts by name, a note in small print, and pictures by name; all text is escaped.

    Args:
        pictures: those that are missing or large are left out.

    Example::

        card("Best for reconstruction", {"betas": (0.1, 0.3)}, pictures={"samples": folder / "samples.png"})
    """
    lines = [f"<tr><th style='text-align:left'>{_text(k)}</th><td>{_text(v)}</td></tr>" for k, v in facts.items()]
    shown = [_figure(name, path) for name, path in (pictures or {}).items()]
    small = f"<div style='font-size:smaller;white-space:pre-wrap'>{_text(note)}</div>" if note else ""
    return f"<div><b>{_text(title)}</b><table>{''.join(lines)}</table>{small}{''.join(shown)}</div>"


def _text(value: object) -> str:
    return html.escape(str(value))


def _figure(name: str, path: Path) -> str:
    """A picture as part of the page; nothing where there is none that is small enough."""
    if not path.is_file() or not 0 < path.stat().st_size <= LARGEST:
        return ""
    source = base64.b64encode(path.read_bytes()).decode()
    style = "display:block;image-rendering:pixelated;max-width:100%"
    image = f"<img style='{style}' alt='{_text(name)}' src='data:image/png;base64,{source}'>"
    return f"<figure><figcaption>{_text(name)}</figcaption>{image}</figure>"
