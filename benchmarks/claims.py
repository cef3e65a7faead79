"""Do the paper's numbers and claims hold on landscapes measured here?

    python benchmarks/claims.py LANDSCAPE [LANDSCAPE ...]

LANDSCAPE is the folder of a finished sweep over two betas. Compared with: Xiao & Bamler, "Trading Information between
Latents in Hierarchical Variational Autoencoders" (ICLR 2023), its Table 1 and the claims of Sec. 5 and App. A.2, each
with the criterion it is judged by, as Markdown. Models are chosen by their numbers on validation; numbers shown are on
test. A claim about a data set is judged on that data set alone; what other landscapes say is shown beside it.
"""

import argparse
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ratescape.errors import RatescapeError, SpecError
from ratescape.evaluation.bounds import exceeds
from ratescape.metrics import ACTIVE_RATE
from ratescape.records.files import read_json_lines
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.records.table import Table, read_table
from ratescape.report.paper.table import PROBES, as_markdown, table1
from ratescape.selection import best, beta_vaes, finished, upper_hull
from ratescape.specs.grid import BetaGrid
from ratescape.specs.methods import Targeted
from ratescape.specs.sweep import SweepSpec

SVHN, CIFAR, MNIST = "SVHN", "CIFAR-10", "MNIST"
DATA_SETS = {"svhn": SVHN, "cifar10": CIFAR, "mnist": MNIST}
"""The paper's data sets by how their names begin here (mnist-5k are MNIST digits too)."""
PAPER_TABLE_1 = """\
| SVHN mu2 | ? | 27.87 | 77.60 | 64.25 |
| SVHN mu1 | ? | 49.81 | 59.28 | 56.49 |
| CIFAR-10 mu2 | ? | ? | 53.15 | 44.20 |
| CIFAR-10 mu1 | ? | ? | 45.60 | 39.25 |"""
"""By :data:`PROBES`; a question mark where our copy of the paper is unreadable."""
MEANS_2 = [f"accuracy_{key}_2" for key in PROBES]
BOTH_LAYERS = [f"accuracy_{key}_{layer}" for key in ("linear_svm", "rbf", "knn") for layer in (2, 1)]
USES = ("psnr", "inception_score", "accuracy_rbf_2")

Finding = tuple[bool | None, str]
"""What a landscape says to a claim: whether it holds (None: that cannot be told), and the numbers behind it."""


class Landscape(NamedTuple):
    """A finished sweep, its models' numbers on the split they are chosen on, and on test; rows agree."""

    path: Path
    spec: SweepSpec
    grid: BetaGrid
    table: Table
    chosen: pd.DataFrame
    test: pd.DataFrame

    @property
    def label(self) -> str:
        """Its data set, and its folder if that is called otherwise."""
        name, folder = Path(self.spec.data.name).name, self.path.resolve().name
        return name if name == folder else f"{name} in {folder}"

    @property
    def data_set(self) -> str | None:
        """The paper's name of the data set, if the paper has it."""
        return next((name for begins, name in DATA_SETS.items() if self.spec.data.name.startswith(begins)), None)

    def complete(self, *columns: str) -> "Landscape":
        """The models of which all these columns were measured, on both splits."""
        known = [rows.reindex(columns=list(columns)).notna().all(axis=1) for rows in (self.chosen, self.test)]
        return self._replace(chosen=self.chosen[known[0] & known[1]], test=self.test[known[0] & known[1]])

    def described(self) -> str:
        """What it is made of, and what of it is missing."""
        spec, table, grid = self.spec, self.table, self.grid
        share = f" ({spec.data.validation:.0%} of the training images)" if table.split == "validation" else ""
        text = (
            f"- {self.label}: {len(self.test)} of {len(spec.runs())} models finished ({spec.model.family}, "
            f"{spec.method.kind}), {spec.training.epochs or 'default'} epochs; each beta {grid.low:g} to "
            f"{grid.high:g} in {grid.steps} steps; seeds {', '.join(map(str, spec.seeds))}; "
            f"chosen on {table.split}{share}, reported on test; "
            f"probes {spec.evaluation.probes}; R(z2) < {ACTIVE_RATE:g} nats in "
            f"{(self.test['rate_2'] < ACTIVE_RATE).sum()} models, which are included"
        )
        return "\n".join([text, *(f"  - {line}" for line in (*table.absent, *table.broken))])

    def accuracies(self) -> pd.DataFrame:
        """Our rows of Table 1, NaN where not measured."""
        values = pd.DataFrame(math.nan, index=["mu_2", "mu_1"], columns=list(PROBES.values()))
        if any(column.startswith("accuracy_") and rows.notna().any() for column, rows in self.chosen.items()):
            values = table1(self.table)
        return values.rename(index=lambda mean: f"{self.label} {mean.replace('_', '')}")


class Claim(NamedTuple):
    """A claim, judged by the question (its docstring is the criterion); general ones are made of all data sets."""

    question: Callable[[Landscape], Finding]
    words: str
    needs: Sequence[str]
    data_sets: tuple[str, ...] = ()
    """Those it names; one that names none is general."""
    general: bool = False

    def ask(self, given: Landscape) -> Finding:
        """What a landscape says to it."""
        asked = given.complete(*self.needs)
        if asked.test.empty:
            absent = [column for column in self.needs if given.complete(column).test.empty]
            return None, f"not measured ({', '.join(absent) or 'no model has it all'})"
        holds, numbers = self.question(asked)
        some = len(asked.test) < len(given.test)
        return holds, f"{numbers} ({len(asked.test)} of {len(given.test)} models)" if some else numbers

    def verdict(self, given: Sequence[Landscape], findings: Sequence[Finding]) -> str:
        """Judged on the landscapes it is about; of data sets that it names and that are not given nothing is known."""
        places: dict[bool | None, list[str]] = {True: [], False: [], None: []}
        for each, (holds, _) in zip(given, findings, strict=True):
            if self.general or not self.data_sets or each.data_set in self.data_sets:
                places[holds].append(each.label)
        places[None] += [name for name in self.data_sets if name not in [each.data_set for each in given]]
        words = {True: "holds", False: "does not hold", None: "cannot be tested"}
        said = {words[holds]: f" on {' and '.join(names)}" for holds, names in places.items() if names}
        if len(said) > 1:
            return ", ".join(verdict + where for verdict, where in said.items())
        return "cannot be tested here" if places[None] else next(iter(said))


def finding(holds: bool, values: Mapping[str, float], note: str = "") -> Finding:
    """A finding from named numbers; where one of them is undefined, nothing can be told."""
    known = not any(math.isnan(value) for value in values.values())
    return bool(holds) if known else None, ", ".join(f"{name} {value:.3f}" for name, value in values.items()) + note


def correlation(a: pd.Series, b: pd.Series) -> float:
    """Spearman's, of ranks; NaN where one of them is the same for all models."""
    return float(a.rank().corr(b.rank())) if a.nunique() > 1 and b.nunique() > 1 else math.nan


def with_rates(test: pd.DataFrame, column: str) -> tuple[float, float, dict[str, float]]:
    """Rank correlations of a column with R(z2) and R(z1|z2), and the same by name."""
    top, below = (correlation(test[column], test[rate]) for rate in ("rate_2", "rate_1"))
    return top, below, {"rank correlation with R(z2)": top, "with R(z1|z2)": below}


def _psnr(given: Landscape) -> Finding:
    """The rank correlation of PSNR and total rate is at least 0.9."""
    found = correlation(given.test["psnr"], given.test["rate"])
    return finding(found >= 0.9, {"rank correlation": found})


def _hull(given: Landscape) -> Finding:
    """beta-VAEs are on average >= 0.05 dB (1.2 % more error) below the upper hull of PSNR over total rate, and at their
    total rates the share of R(z2) is smaller on the hull (between its vertices: in proportion).
    """
    hull = given.test.iloc[upper_hull(given.chosen["rate"], given.chosen["psnr"])].sort_values("rate")
    equal = given.test[beta_vaes(given.test)]
    psnr, top = (np.interp(equal["rate"], hull["rate"], hull[column]) for column in ("psnr", "rate_2"))
    gap, total = psnr - equal["psnr"], equal["rate"].sum()
    share, on_hull = equal["rate_2"].sum() / total, top.sum() / total
    found = {"mean gap in dB": gap.mean(), "largest": gap.max(), "share of R(z2)": share}
    return finding(gap.mean() >= 0.05 and on_hull < share, found | {"of the hull at the same total rates": on_hull})


def _score_betas(given: Landscape) -> Finding:
    """log10(beta2/beta1) is < 0 for the model of the best IS, and on average for the best quarter (grid's mean: 0)."""
    ratios = np.log10(given.test["beta_2"] / given.test["beta_1"])
    top = given.chosen["inception_score"].nlargest(math.ceil(len(given.chosen) / 4)).index
    mean, first = ratios[top].mean(), given.test.loc[top[0]]
    note = f", betas of the best ({first['beta_2']:.3g}, {first['beta_1']:.3g}) with IS {first['inception_score']:.3g}"
    return finding(mean < 0 and ratios[top[0]] < 0, {"mean log10(beta2/beta1) of the best quarter": mean}, note)


def _score_drop(given: Landscape) -> Finding:
    """IS (mean over the largest quarter of beta1) is >= 5 % lower at the smallest beta2 than at its peak over beta2."""
    values, columns = given.grid.values(), ["inception_score", "rate_2", "rate_1"]
    largest = values[-math.ceil(len(values) / 4) :]
    low = given.test["beta_1"].isin(largest)
    if low.sum() < len(values) * len(largest) * len(given.spec.seeds):
        return None, "models are missing there"
    chosen, test = (rows[low].groupby("beta_2")[columns].mean() for rows in (given.chosen, given.test))
    peak, end = test.loc[chosen["inception_score"].idxmax()], test.iloc[0]
    at = [f"{x['inception_score']:.3g} at rates ({x['rate_2']:.3g}, {x['rate_1']:.3g})" for x in (peak, end)]
    drop = 1 - end["inception_score"] / peak["inception_score"]
    return finding(drop >= 0.05, {}, f"from {at[0]} to {at[1]}: {drop:.1%} lower")


def _sharpness(given: Landscape) -> Finding:
    """cov(log IS, log sharpness) > var(log IS) / 2, and sharpness has the larger |rank correlation| with R(z2)."""
    score, (top, below, rates) = np.log(given.test["inception_score"]), with_rates(given.test, "sharpness")
    sharp, diverse = (score.cov(np.log(given.test[part])) / score.var() for part in ("sharpness", "diversity"))
    found = {"share of sharpness in the variance of log IS": sharp, "of diversity": diverse} | rates
    return finding(sharp > 0.5 and abs(top) > abs(below), found)


def _score_rates(given: Landscape) -> Finding:
    """The model of the best IS is in the upper quarter by R(z1|z2), whose rank correlation with IS exceeds R(z2)'s."""
    first, (top, below, rates) = given.chosen["inception_score"].idxmax(), with_rates(given.test, "inception_score")
    places = [int(given.test[rate].rank(ascending=False, method="min")[first]) for rate in ("rate_2", "rate_1")]
    note = f"; of {len(given.test)} models the best is no. {places[0]} by R(z2), no. {places[1]} by R(z1|z2)"
    return finding(places[1] <= math.ceil(len(given.test) / 4) and below > top, rates, note)


def _information(given: Landscape) -> Finding:
    """Its rank correlation with R(z2) is above 0, and larger than its |rank correlation| with R(z1|z2)."""
    top, below, rates = with_rates(given.test, "information_2")
    return finding(top > abs(below), rates)


def _accuracy(given: Landscape) -> Finding:
    """The rank correlations of both accuracies on mu2 with I(y; z2) are at least 0.9."""
    rbf, knn = (correlation(given.test[f"accuracy_{key}_2"], given.test["information_2"]) for key in ("rbf", "knn"))
    return finding(min(rbf, knn) >= 0.9, {"rank correlation RBF": rbf, "kNN": knn})


def _lower_rate(given: Landscape) -> Finding:
    """The partial rank correlation of accuracy on mu2 with R(z1|z2) given R(z2) is above 2 standard errors for both
    linear classifiers, on CIFAR-10 for all four.
    """
    rates = correlation(given.test["rate_1"], given.test["rate_2"])
    found: dict[str, float] = {}
    for name, column in zip(PROBES.values(), MEANS_2, strict=True):
        top, below, _ = with_rates(given.test, column)
        found[name] = (below - top * rates) / (math.sqrt(max(0, (1 - top**2) * (1 - rates**2))) or math.nan)
    error = 1 / math.sqrt(max(1, len(given.test) - 4))  # Fisher's 1 / sqrt(N - 3), one less for what is given
    counted = list(found.values())[: 4 if given.data_set == CIFAR else 2]
    return finding(min(counted) > 2 * error, found, f" (standard error {error:.3f})")


def _layers(given: Landscape) -> Finding:
    """The best accuracy, as in Table 1, is higher on mu2 for RBF SVM and kNN; on SVHN higher on mu1 for linear SVM."""
    lead = table1(given.table).loc["mu_2"] - table1(given.table).loc["mu_1"]
    linear, rbf, knn = (float(lead[PROBES[key]]) for key in ("linear_svm", "rbf", "knn"))
    holds = rbf > 0 and knn > 0 and (linear < 0 or given.data_set != SVHN)
    return finding(holds, {"mu2 minus mu1 in points: linear SVM": linear, "RBF SVM": rbf, "kNN": knn})


def _no_single_best(given: Landscape) -> Finding:
    """The best models for PSNR, IS and RBF accuracy on mu2 have three pairs of betas, none of them equal betas."""
    texts, choices = list[str](), [best(given.table, column) for column in USES]
    for x in choices:
        simple = math.nan if x.beta_vae is None else x.reported(x.beta_vae.row)
        own = f"{x.metric.column} {x.reported(x.row):.4g} at ({x.betas[0]:.3g}, {x.betas[1]:.3g})"
        texts.append(f"{own}, best beta-VAE {simple:.4g}")
    pairs = {x.betas for x in choices}
    return finding(len(pairs) == 3 and all(top != below for top, below in pairs), {}, "; ".join(texts))


def _ceilings(given: Landscape) -> Finding:
    """In no model is accuracy on mu2 above a ceiling, or the first ceiling above the second, by > 3 standard errors."""
    place = RunFolder(given.path / "runs" / given.test["run"].iloc[0])
    record = next(record for record in read_json_lines(place.evaluation) if record.get("split") == "test")
    if not (images := int(record.get("images", 0))):
        return None, "the number of test images is not in the records"
    scored = images - images * 4 // 5 if record["settings"]["probes"] == "paper" else images  # it fits to 80 % of them

    def above(ceiling: str, n: int, columns: Sequence[str]) -> int:
        """Models in which any of the columns is above the ceiling."""
        rows = given.test[[ceiling, *columns]]
        return sum(any(exceeds(row[column], n, row[ceiling]) for column in columns) for _, row in rows.iterrows())

    limits = {"f^-1(I)": "ceiling_information_2", "f^-1(R(z2))": "ceiling_rate_2"}
    found = {f"mu2 above {name}": above(limit, scored, MEANS_2) for name, limit in limits.items()}
    found["f^-1(I) above f^-1(R(z2))"] = above("ceiling_rate_2", images, ["ceiling_information_2"])
    holds, sampled = not any(found.values()), not given.complete("accuracy_sample_2").test.empty
    for name, limit in limits.items() if sampled else ():  # samples are what the ceilings bind
        found[f"samples above {name}"] = above(limit, scored, ["accuracy_sample_2"])
    numbers = ", ".join(f"{name} in {count}" for name, count in found.items())
    return finding(holds, {}, f"of {len(given.test)} models {numbers}{'' if sampled else ', samples not measured'}")


CLAIMS = (
    Claim(_psnr, "PSNR rises with the total rate", ["psnr"]),
    Claim(_hull, "beta-VAEs lie somewhat below the PSNR hull, which has less R(z2)", ["psnr"], (SVHN, CIFAR)),
    Claim(_score_betas, "High inception scores (IS) lie at beta2 < beta1", ["inception_score"], (SVHN,)),
    Claim(_score_drop, "IS drops at very high R(z2) with low R(z1|z2)", ["inception_score"], (SVHN,)),
    Claim(_sharpness, "Sharpness drives IS, R(z2) sharpness", ["inception_score", "sharpness", "diversity"], (SVHN,)),
    Claim(_score_rates, "The best IS is at high R(z1|z2) rather than high R(z2)", ["inception_score"], (MNIST,)),
    Claim(_information, "Information I(y; z2) depends mainly on R(z2)", ["information_2"]),
    Claim(_accuracy, "RBF and kNN accuracy rise with I(y; z2)", ["information_2", *MEANS_2[2:]], (SVHN,)),
    Claim(_lower_rate, "R(z1|z2) helps linear classifiers; on CIFAR-10 all", MEANS_2, (CIFAR,), general=True),
    Claim(_layers, "mu2 beats mu1 for RBF and kNN; on SVHN mu1 beats mu2 for linear SVM", BOTH_LAYERS, (SVHN, CIFAR)),
    Claim(_no_single_best, "The best for PSNR, IS, accuracy differ, none is a beta-VAE", USES),
    Claim(
        _ceilings, "Accuracy <= f^-1(I(y; z2)) <= f^-1(R(z2))", [*MEANS_2, "ceiling_information_2", "ceiling_rate_2"]
    ),
)


def read(path: Path) -> Landscape:
    """The landscape in a folder; an error if there is none, no model is finished, or it is not over two betas."""
    folder = SweepFolder(path)
    spec, table = folder.spec(), read_table(folder)
    method = spec.method
    if (
        isinstance(method, Targeted)
        or len(set(spec.grouping())) != 2
        or method.grid.steps < 2
        or spec.model.layers != 2
    ):
        raise SpecError(f"{path} is no grid over the betas of two layers, which the claims are about: give one that is")
    rows = finished(table)
    measured = {column: column.removeprefix("test_") for column in rows.columns if column.startswith("test_")}
    chosen = rows.drop(columns=list(measured))
    test = chosen[["run", "beta_2", "beta_1"]].join(rows[list(measured)].rename(columns=measured))
    return Landscape(path, spec, method.grid, table, chosen, test if measured else chosen)


def report(given: Sequence[Landscape]) -> str:
    """Everything as Markdown."""
    split = given[0].table.split if len({each.table.split for each in given}) == 1 else "the split named above"
    ours = as_markdown(pd.concat([each.accuracies() for each in given]), split).splitlines()
    claims, criteria = ["| claim | verdict | numbers behind it |", "|---|---|---|"], list[str]()
    for number, claim in enumerate(CLAIMS, 1):
        found = [claim.ask(each) for each in given]
        numbers = "; ".join(f"on {each.label}: {text}" for each, (_, text) in zip(given, found, strict=True))
        cells = f"{number}. {claim.words}", claim.verdict(given, found), numbers
        claims.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        criteria.append(f"{number}. {' '.join(str(claim.question.__doc__).split())}")
    landscapes = ["## Landscapes", "", *(each.described() for each in given), ""]
    table = ["## Table 1 of the paper, and ours", "", *ours[:2], PAPER_TABLE_1, *ours[2:], ""]
    return "\n".join([*landscapes, *table, "## Claims", "", *claims, "", "Criteria:", "", *criteria])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("landscapes", type=Path, nargs="+", metavar="LANDSCAPE", help="folder of a finished sweep")
    try:
        print(report([read(path) for path in parser.parse_args().landscapes]))
    except RatescapeError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
