"""How numbers and tables are written as plain text, by commands and by choices alike."""

import itertools
import math
from collections.abc import Sequence


def with_error(value: float, error: float | None, most: int | None = None) -> str:
    """A number with two digits of its standard error; with four digits of its own where none is known.

    Args:
        value: what was measured.
        error: None, NaN or 0 where it is not known.
        most: decimals at most; an error that these do not show has one digit of its own, as ``1.0015 ± 2e-05``.

    Example::

        with_error(17.2512, 0.0417)  # "17.251 ± 0.042"
    """
    if error is None or not math.isfinite(error) or error <= 0:
        return f"{value:.4g}"
    decimals = max(1 - math.floor(math.log10(error)), 0)
    if most is not None:
        decimals = min(decimals, most)
    small = error < 0.5 * 10.0**-decimals
    return f"{value:.{decimals}f} ± {error:.1g}" if small else f"{value:.{decimals}f} ± {error:.{decimals}f}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of a table, of the same number of cells each, as lines whose columns stand below one another.

    Example::

        aligned([["", "psnr"], ["best", "17.3"]])  # ["      psnr", "best  17.3"]
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


SHORT = 4
"""Betas up to which each is written by itself."""


def betas_text(betas: Sequence[float], digits: int = 4) -> str:
    """Betas, top layer first: ``(0.1, 2.5)``; of more than four, equal ones in a row once: ``(0.1 ×3, 2.5 ×6)``.

    Args:
        digits: significant ones.

    Example::

        betas_text([0.1] * 3 + [2.5] * 6)  # "(0.1 ×3, 2.5 ×6)"
    """
    texts = [f"{beta:.{digits}g}" for beta in betas]
    if len(texts) > SHORT:
        rows = [(text, len(list(row))) for text, row in itertools.groupby(texts)]
        texts = [text if count == 1 else f"{text} ×{count}" for text, count in rows]
    return f"({', '.join(texts)})"
