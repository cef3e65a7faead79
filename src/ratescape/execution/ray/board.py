"""How far running tasks are, told across machines; apart, so that its process need not import what training needs."""


class Board:
    """Steps done by name; an actor where tasks run on many machines."""

    def __init__(self) -> None:
        self.steps: dict[str, int] = {}

    def note(self, name: str, step: int) -> None:
        self.steps[name] = step

    def read(self) -> dict[str, int]:
        return self.steps
