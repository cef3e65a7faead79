"""Spans of time in words."""


def span(seconds: float) -> str:
    """So many seconds, as exact as anybody cares: ``40 s``, ``3 min``, ``1.5 h``.

    Example::

        span(200)  # 3 min
    """
    if seconds < 10:
        return f"{seconds:.0f} s" if seconds >= 1 else "1 s"
    if seconds < 90:
        return f"{5 * round(seconds / 5)} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"
