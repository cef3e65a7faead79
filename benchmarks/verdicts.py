"""How often is the recommended model among the truly best three? Prints a Markdown table.

    python benchmarks/verdicts.py LANDSCAPE [LANDSCAPE ...] [--seed-landscape OTHER [OTHER ...]]
    python benchmarks/verdicts.py --halve DATA OUT [--shuffle-labels]

The truth is a second landscape: the same betas, another seed, and images that the first has not seen (one for each
landscape, in their order). Its models are ranked by their numbers on test, layers that have collapsed left out. Without
a second landscape the first one's own test images stand in, which the choice has not seen either.

For each use: what is recommended, its place in the true order, how far it is from the truly best with the error of that
difference, whether it is among the first three or within one such error of the first, and whether the truly best one is
the winner or ties with it. Where no winner is declared, the reason.

--halve writes two .npz files of images that have none in common, A and B, so that a second landscape on fresh images is
two commands: `ratescape map --data.name OUT/a.npz --out first` and `... OUT/b.npz --seeds 1 --out second`. With
--shuffle-labels no image has more than its own label by chance: no winner for representation is then right.
"""

import argparse
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ratescape.data.catalog import load_data
from ratescape.errors import NoWinner, SpecError
from ratescape.metrics import USES
from ratescape.records.folders import SweepFolder
from ratescape.records.table import Table, read_table
from ratescape.selection import Candidate, Choice, best, difference_error, finished, metrics_for
from ratescape.selection.candidates import candidates
from ratescape.selection.chance import written
from ratescape.selection.told import reported

FIRST = 3
"""Places that count as among the best."""

Name = tuple[tuple[float, ...], int | None]
"""Betas and layer: the same in both landscapes."""


class Verdict(NamedTuple):
    """What a landscape recommends for a use, and where that stands in truth."""

    use: str
    said: str
    place: int | None
    """Of the winner in the true order, from 1; None without a winner."""
    of: int
    short: float
    """By so much it is worse than the truly best."""
    error: float
    """Standard error of that difference."""
    best_is_named: bool
    """Whether the truly best is the winner or a tie."""

    @property
    def line(self) -> str:
        if self.place is None:
            return f"| {self.use} | {self.said} | – | – | – | – | – |"
        answers = (self.place <= FIRST, self.is_level, self.best_is_named)
        hit, level, named = ("yes" if true else "no" for true in answers)
        short = written(self.short, self.error)
        return f"| {self.use} | {self.said} | {self.place} of {self.of} | {short} | {hit} | {level} | {named} |"

    @property
    def is_level(self) -> bool:
        """Whether it is among the first, or cannot be told from the truly best."""
        return self.place is not None and (self.place <= FIRST or self.short <= self.error)


def name(one: Candidate) -> Name:
    return tuple(float(f"{beta:.6g}") for beta in one.betas), one.layer


def true_order(second: Table, choice: Choice) -> list[Candidate]:
    """Models, and layers of them that carry something, by what they are worth on the second landscape's test images."""
    kind = choice.metric.column.removesuffix(f"_{choice.layer}")
    known = [one for one in candidates(finished(second), metrics_for(finished(second), kind)) if not one.collapsed]
    sign = -1 if choice.metric.higher_is_better else 1
    return sorted(known, key=lambda one: sign * reported(one))


def verdict(first: Table, second: Table, use: str) -> Verdict | None:
    """None where the use was not measured."""
    try:
        choice = best(first, use)
    except NoWinner as nobody:
        return Verdict(use, f"no winner: {nobody}", None, 0, 0.0, 0.0, False)
    except SpecError:
        return None
    order = true_order(second, choice)
    winner, names = name(choice.winner), [name(one) for one in order]
    if winner not in names:  # it has collapsed there
        return Verdict(use, choice.winner.name, len(order) + 1, len(order), math.inf, 0.0, False)
    place = names.index(winner)
    there, highest = order[place], order[0]
    short = abs(reported(there) - reported(highest))
    error = difference_error(there.error_on_test, highest.error_on_test) if place else 0.0
    said = f"{choice.winner.name}, {len(choice.ties)} ties"
    named = names[0] in [winner, *map(name, choice.ties)]
    return Verdict(use, said, place + 1, len(order), short, error, named)


def compare(first: Path, second: Path) -> list[Verdict]:
    """The verdicts of a landscape on all uses, printed as a table."""
    own, other = (read_table(SweepFolder(path)) for path in (first, second))
    found = [one for use in USES if (one := verdict(own, other, use)) is not None]
    print(f"\n{first.name}, truth by {'its own test images' if first == second else second.name}\n")
    print(
        f"| use | recommended | true place | short of the best by | among the best {FIRST} | or level | best is named |"
    )
    print("|---|---|---|---|---|---|---|")
    for one in found:
        print(one.line)
    return found


def halve(source: str, out: Path, shuffle: bool) -> None:
    """Write the images of a data set as two files that have none in common."""
    data = load_data(source, validation=0)
    splits = [data.train, data.test]
    pixels = np.concatenate([split.pixels for split in splits]).transpose(0, 2, 3, 1)
    labels = [split.labels for split in splits if split.labels is not None]
    generator = np.random.default_rng(0)
    order = generator.permutation(len(pixels))
    out.mkdir(parents=True, exist_ok=True)
    for letter, rows in zip("ab", np.array_split(order, 2), strict=True):
        path = out / f"{letter}.npz"
        if labels:
            own = np.concatenate(labels)[rows]
            np.savez(path, images=pixels[rows], labels=generator.permutation(own) if shuffle else own)
        else:
            np.savez(path, images=pixels[rows])
        print(path, len(rows), "images")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("landscapes", type=Path, nargs="*")
    parser.add_argument("--seed-landscape", type=Path, nargs="*", default=[])
    parser.add_argument("--halve", nargs=2, metavar=("DATA", "OUT"))
    parser.add_argument("--shuffle-labels", action="store_true")
    asked = parser.parse_args()
    if asked.halve:
        halve(asked.halve[0], Path(asked.halve[1]), asked.shuffle_labels)
    if asked.seed_landscape and len(asked.seed_landscape) != len(asked.landscapes):
        parser.error("give one --seed-landscape for each landscape, in their order")
    pairs = zip(asked.landscapes, asked.seed_landscape or asked.landscapes, strict=True)
    found = [one for first, second in pairs for one in compare(first, second)]
    won = [one for one in found if one.place is not None]
    if won:
        hits = sum(one.place <= FIRST for one in won if one.place is not None)
        level, named = sum(one.is_level for one in won), sum(one.best_is_named for one in won)
        print(f"\n{hits} of {len(won)} winners are among the true best {FIRST}, {level} are or are within one error of")
        print(f"the best; in {named} the truly best is the winner or a tie.")
    if found:
        print(f"{len(found) - len(won)} of {len(found)} verdicts declare no winner.")


if __name__ == "__main__":
    main()
