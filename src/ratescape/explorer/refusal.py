"""What the server refuses, with the status of the answer."""

from ratescape.errors import RatescapeError


class Refused(RatescapeError):
    """A request that is not answered as it was meant; the message is one line.

    Args:
        status: of the answer, 4xx or 503.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
