"""What running tasks tell, across machines; apart, so that its process need not import what training needs."""

from typing import Any


class Board:
    """Messages of trainings; an actor where tasks run on many machines."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def tell(self, message: dict[str, Any]) -> None:
        """Take in one message."""
        self.messages.append(message)

    def drain(self) -> list[dict[str, Any]]:
        """The messages since the last call."""
        messages, self.messages = self.messages, []
        return messages
