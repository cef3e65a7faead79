"""Python imports this before all else where its folder is on the path: worker processes are watched as a campaign says.

The environment says how, as ``reliability.workers`` writes it; the first worker that comes has the fault. Processes of
Ray's tasks follow a file, as ``reliability.clusters`` writes it.
"""

import os
import sys
from pathlib import Path

if "RATESCAPE_WATCH" in os.environ and any("ratescape.execution.workers" in word for word in sys.orig_argv):
    from reliability.following import watch_worker

    watch_worker()

if "RATESCAPE_TASKS" in os.environ and any(word.endswith("default_worker.py") for word in sys.orig_argv):
    from reliability.following import Followed

    Followed(Path(os.environ["TMPDIR"], f"ratescape-{os.getuid()}"), Path(os.environ["RATESCAPE_TASKS"])).install()
