"""Whose pictures are whose: each page that is open has a session, and few sessions are kept."""

import re
from collections import OrderedDict

from ratescape.explorer.pictures import Pixels
from ratescape.explorer.refusal import Refused

PICTURES = 32
"""Of a session, the newest ones."""


class Session:
    """The pictures of one page."""

    def __init__(self) -> None:
        self.pictures: OrderedDict[str, Pixels] = OrderedDict()
        self._added = 0

    def add(self, pixels: Pixels) -> str:
        """Keep a picture ``[C, H, W]``; returns its name, ``u1`` for the first."""
        self._added += 1
        name = f"u{self._added}"
        self.pictures[name] = pixels
        while len(self.pictures) > PICTURES:
            self.pictures.popitem(last=False)
        return name


class Sessions:
    """Sessions by the random names that pages give themselves; the one that was used least recently ends first.

    Args:
        most: sessions that are kept at most.
    """

    def __init__(self, most: int = 4) -> None:
        self.most = most
        self._open: OrderedDict[str, Session] = OrderedDict()

    def of(self, name: str) -> Session:
        """The session of a name, a new one if need be.

        Raises:
            Refused: no name of a session.
        """
        if not re.fullmatch(r"[\w-]{0,64}", name, re.ASCII):
            raise Refused("the session's name is none: letters, digits, _ and -, 64 at most")
        session = self._open.setdefault(name, Session())
        self._open.move_to_end(name)
        while len(self._open) > self.most:
            self._open.popitem(last=False)
        return session

    def end(self, name: str) -> None:
        """Forget a session and its pictures."""
        self._open.pop(name, None)

    def __len__(self) -> int:
        return len(self._open)
