"""The page: markup, style and modules, joined into one file."""
