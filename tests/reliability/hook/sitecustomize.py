"""Python imports this before all else where its folder is on the path: worker processes are watched as a campaign says.

The environment says how, as ``reliability.workers`` writes it; the first worker that comes has the fault.
"""

import json
import os
import sys
from pathlib import Path

if "RATESCAPE_WATCH" in os.environ and any("ratescape.execution.workers" in word for word in sys.orig_argv):
    from reliability.faults import Plan, Watch, counted_steps

    told = json.loads(os.environ["RATESCAPE_WATCH"])
    counted_steps(Path(told["folder"], "worker-steps"))
    try:
        Path(told["folder"], "claimed").mkdir()
        plan = Plan(*told["plan"])
    except FileExistsError:
        plan = Plan()
    kind = "first" if plan.number else "other"
    Watch(Path(told["root"]), plan, Path(told["folder"], f"{os.getpid()}.{kind}.trace")).install()
