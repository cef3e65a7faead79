"""Stands for the command `ratescape` as `python -m ratescape`."""

from ratescape.cli.commands import main

raise SystemExit(main())
