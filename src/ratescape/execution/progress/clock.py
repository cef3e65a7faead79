"""Where the time goes: seconds of each phase, out of what begins and ends."""

from collections.abc import Callable

from ratescape.execution.progress.messages import PhaseName

Piece = tuple[PhaseName, tuple[str, ...]]
"""Something that is under way: its phase, and the keys of its runs or networks."""


class Clock:
    """Seconds by phase. Where several pieces are under way at once, each is given its share of the time.

    Args:
        now: seconds that never go back, such as ``time.monotonic``.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.begun = self.last = now()
        self.active: dict[Piece, list[float]] = {}
        """When each piece under way was begun; by several workers, where all wait for one judge."""
        self.spent: dict[PhaseName, float] = {}

    def begin(self, piece: Piece) -> None:
        """A piece is begun."""
        self._tick()
        self.active.setdefault(piece, []).append(self.last)

    def end(self, piece: Piece) -> float:
        """A piece is over; returns the seconds it took."""
        self._tick()
        begun = self.active.get(piece, [self.last]).pop()
        if not self.active.get(piece):
            self.active.pop(piece, None)
        return self.last - begun

    def elapsed(self) -> float:
        """Seconds since the clock was made."""
        return self.now() - self.begun

    def running(self, phase: PhaseName) -> dict[Piece, float]:
        """Seconds that the pieces of a phase have been under way."""
        now = self.now()
        return {piece: now - begun[0] for piece, begun in self.active.items() if piece[0] == phase}

    def seconds(self) -> dict[PhaseName, float]:
        """Seconds by phase so far: together all the time that has passed."""
        self._tick()
        return dict(self.spent)

    def _tick(self) -> None:
        """Give the time since the last event to what was under way."""
        now = self.now()
        if now == self.last:
            return
        under_way: list[PhaseName] = [phase for phase, _ in self.active] or ["preparing"]
        for phase in under_way:
            self.spent[phase] = self.spent.get(phase, 0.0) + (now - self.last) / len(under_way)
        self.last = now
