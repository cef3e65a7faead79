"""Stands for the command `ratescape` as `python -m ratescape`."""

from ratescape.cli.entry import main

raise SystemExit(main())
