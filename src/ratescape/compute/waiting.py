"""How long threads of one computation wait for each other at full speed. Imports little: it comes before PyTorch."""

from collections.abc import MutableMapping

SPINS = "10000"
"""Turns of GNU OpenMP's waiting loop, a fraction of a millisecond, after which a thread sleeps. It would turn for ever:
where other programs need the cores, the threads then keep each other from working. A step of the network took 1.7 to
2.3 s in place of 0.17 on a machine of two cores and five busy processes; on an idle one it takes as long as before."""


def wait_briefly(environment: MutableMapping[str, str]) -> None:
    """Have threads of processes with this environment wait briefly, unless it says something else of that.

    Args:
        environment: of a process to be started, or of this one, where PyTorch is not imported yet.

    Example::

        wait_briefly(os.environ)
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & environment.keys():
        environment["GOMP_SPINCOUNT"] = SPINS
