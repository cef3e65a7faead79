"""What can go wrong by a user's hand: one line that names the input and the remedy.

Every error here is meant to be read by a person. The command line prints its text and exits with a
non-zero status; a traceback would mean a defect of ratescape itself.
"""


def printable(text: str) -> str:
    """A text as one line that does nothing to a terminal, whatever names and contents of files it quotes.

    Example::

        printable("one  line")  # "one line"
    """
    line = " ".join(text.split())
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in line)


class RatescapeError(Exception):
    """Something the user can put right; the message is one line: what is wrong, and what to do.

    Example::

        try:
            landscape = rs.Landscape("digits")
        except rs.RatescapeError as error:
            print(error)
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(printable(str(message)))


class SpecError(RatescapeError, ValueError):
    """A field of a spec is unknown, of the wrong type, or out of range; the message names it."""


class NoWinner(SpecError):
    """No model of a landscape is better than chance for a use: a ranking would recommend noise; says why."""


class DataError(RatescapeError):
    """Images or labels that are missing, damaged, or of a form that cannot be used."""


class RecordError(RatescapeError):
    """A results folder that is busy, damaged, made by another spec, or cannot be written."""


class CheckpointError(RatescapeError):
    """A weights or checkpoint file that is damaged, of another version, or of another model."""


class HubError(RatescapeError):
    """A repository that is not there, not allowed, not reachable, or holds what is not read; says what to do."""


class ResourceError(RatescapeError):
    """The machine cannot do it: not enough memory, or no such device."""


class MemoryShortage(ResourceError):
    """Memory ran out in training; fewer models at once may fit."""


_SHORT = ("out of memory", "allocate memory")
"""What PyTorch, what it stands on, and safetensors say where memory is short."""

_NOT_SET_UP = "could not create a primitive"
"""What oneDNN says where memory is short, and also where it does not know the processor."""


def memory_shortage(error: BaseException) -> ResourceError | None:
    """What to tell of an error of somebody else's that means that memory ran out; None if it means something else.

    Example::

        memory_shortage(MemoryError()) is not None  # True
    """
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    if _NOT_SET_UP in reason:
        return ResourceError(
            f"a computation could not be set up ({reason}), as where memory is short: end other programs, or ask "
            "for less at once, and run the same command again; if there is enough, this build of PyTorch does not "
            "suit the processor: install another; what is finished is kept"
        )
    if not isinstance(error, MemoryError) and not any(words in reason for words in _SHORT):
        return None
    return ResourceError(
        f"there is too little memory ({reason}): end other programs, or ask for less at once, and run the same command "
        "again; what is finished is kept"
    )
