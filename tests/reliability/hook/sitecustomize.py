"""Python imports this before all else where its folder is on the path: worker processes are watched as a campaign says.

The environment says how, as ``reliability.workers`` writes it; the first worker that comes has the fault. Processes of
Ray's tasks follow a file, as ``reliability.clusters`` writes it.
"""

import json
import os
import sys
from pathlib import Path

if "RATESCAPE_WATCH" in os.environ and any("ratescape.execution.workers" in word for word in sys.orig_argv):
    from reliability.faults import Plan, Watch, counted_steps

    told = json.loads(os.environ["RATESCAPE_WATCH"])
    try:
        Path(told["folder"], "claimed").mkdir()
        plan = Plan(*told["plan"])
        if told.get("group"):
            Path(told["group"], "cgroup.procs").write_text(str(os.getpid()))
    except FileExistsError:
        plan = Plan()
    counted_steps(Path(told["folder"], "worker-steps"))  # which imports much that takes memory, so it comes late
    kind = "first" if plan.number else "other"
    Watch(Path(told["root"]), plan, Path(told["folder"], f"{os.getpid()}.{kind}.trace")).install()

if "RATESCAPE_TASKS" in os.environ and any(word.endswith("default_worker.py") for word in sys.orig_argv):
    from reliability.following import Followed

    Followed(Path(os.environ["TMPDIR"], f"ratescape-{os.getuid()}"), Path(os.environ["RATESCAPE_TASKS"])).install()
