"""Compass search: the maximum of a function that is expensive to evaluate, without slopes.

From the best point known, one step along each axis and back is tried in turn; the first that is better is the new
point; where none is, the step is halved. (Kolda, Lewis & Torczon, Optimization by direct search, SIAM Review 45, 2003.)
"""

from collections.abc import Callable

Point = tuple[float, ...]


def compass_search(
    score: Callable[[Point], float], start: Point, low: float, high: float, step: float, tries: int
) -> tuple[Point, float, int]:
    """The best point found, its score, and how many scores were asked for.

    Args:
        score: to be made as large as possible; -inf for points that are not accepted.
        start: where to begin, inside the box; its score is asked for, too, but not counted.
        low: smallest value of each coordinate.
        high: largest value of each coordinate.
        step: the first step along an axis.
        tries: how many scores may be asked for.

    Example::

        compass_search(lambda x: -(x[0] ** 2), (1.0,), -2.0, 2.0, step=0.5, tries=10)  # ((0.0,), -0.0, 10)
    """
    best, value, count = start, score(start), 0
    known = {start}
    ways = [(axis, sign) for axis in range(len(start)) for sign in (1, -1)]
    while count < tries and step > 1e-6 * (high - low):
        for axis, sign in ways:
            moved = min(max(best[axis] + sign * step, low), high)
            point = (*best[:axis], moved, *best[axis + 1 :])
            if point in known or count == tries:
                continue
            known.add(point)
            count += 1
            found = score(point)
            if found > value:
                best, value = point, found
                ways.sort(key=lambda way: way != (axis, sign))  # what helped once is tried first
                break
        else:
            step /= 2
    return best, value, count
