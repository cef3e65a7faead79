"""The explorer's page: markup, style and modules, joined into one file with those it shares with the report's page."""

from ratescape.explorer.page.render import render

__all__ = ["render"]
