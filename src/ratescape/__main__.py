"""Stands for the command `ratescape` as `python -m ratescape`."""

from ratescape.cli import main

raise SystemExit(main())
