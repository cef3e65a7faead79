"""The card of a repository: its README.md, whose front matter the hub reads."""

import dataclasses
import re

import yaml

LICENCES = frozenset(
    re.findall(
        r"\S+",
        "afl-3.0 agpl-3.0 apache-2.0 artistic-2.0 bsd bsd-2-clause bsd-3-clause bsl-1.0 cc cc-by-2.0 cc- "
        "by-3.0 cc-by-4.0 cc-by-nc-4.0 cc-by-nc-nd-4.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 "
        "cc0-1.0 ecl-2.0 epl-2.0 eupl-1.1 gfdl gpl gpl-2.0 gpl-3.0 isc lgpl lgpl-2.1 lgpl-3.0 mit mpl-2.0 ms- "
        "pl ncsa odbl openrail osl-3.0 pddl postgresql unlicense unknown wtfpl zlib",
    )
)
"""What the hub knows licences by; any other is named in words."""

PAPER = "arxiv:2302.04855"

_CITATION = """@inproceedings{xiao2023trading,
  title     = {Trading Information between Latents in Hierarchical Variational Autoencoders},
  author    = {Xiao, Tim Z. and Bamler, Robert},
  booktitle = {International Conference on Learning Representations},
  year      = {2023},
  url       = {https://openreview.net/forum?id=eWtMdr6yCmL}
}"""


@dataclasses.dataclass(frozen=True)
class Card:
    """What a card says. Texts that are empty are said to be unknown; tables that are empty are left out."""

    kind: str
    """model or landscape."""
    title: str
    network: str
    """One line on its structure."""
    of_images: bool = True
    licence: str = "unknown"
    """Of the weights."""
    data: str = ""
    """What it was trained on."""
    data_licence: str = "unknown"
    betas: tuple[float, ...] = ()
    """Of a model, top layer first."""
    facts: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    """Lines of a table: what, and how much."""
    layers: tuple[tuple[str, ...], ...] = ()
    """Rows of a table of layers, its head first."""
    measured_on: str = ""
    """Which images the numbers are of."""
    uses: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    pictures: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    """What a picture shows, by its path in the repository."""

    def text(self, name: str) -> str:
        """The whole README.md of a repository of this name."""
        return f"---\n{self._front()}---\n\n" + "\n\n".join(part for part in self._parts(name) if part) + "\n"

    def _front(self) -> str:
        known = self.licence.lower() in LICENCES
        front: dict[str, object] = {"library_name": "ratescape", "license": self.licence.lower() if known else "other"}
        if not known:
            front["license_name"] = re.sub(r"[^a-z0-9.]+", "-", self.licence.lower()).strip("-") or "other"
        if self.of_images:
            front["pipeline_tag"] = "unconditional-image-generation"
        front["tags"] = ["ratescape", "hierarchical-vae", "beta-vae", "rate-distortion", self.kind, PAPER]
        return yaml.safe_dump(front, sort_keys=False, allow_unicode=True)

    def _parts(self, name: str) -> list[str]:
        return [
            f"# {self.title}",
            self._what(),
            self._shown(),
            self._use(name),
            self._numbers(),
            _listed("Uses", self.uses),
            "## Data and licence\n\n"
            f"- Trained on: {_plain(self.data) or 'unknown'}\n"
            f"- Licence of these data: {_plain(self.data_licence) or 'unknown'}\n"
            f"- Licence of the weights: {_plain(self.licence) or 'unknown'}",
            _listed("Limits", self.limits),
            "## Paper and citation\n\nThe method is that of [Trading Information between Latents in Hierarchical "
            f"Variational Autoencoders](https://openreview.net/forum?id=eWtMdr6yCmL).\n\n```bibtex\n{_CITATION}\n```",
        ]

    def _what(self) -> str:
        what = (
            "A hierarchical VAE whose layers share out the information on an image by a multiplier beta each."
            if self.kind == "model"
            else "A family of hierarchical VAEs, one for each point of a grid of betas: the landscape of their rates."
        )
        betas = ", ".join(f"{beta:.4g}" for beta in self.betas)
        return f"{what}\n\n- Network: {self.network}" + (f"\n- Betas, top layer first: {betas}" if betas else "")

    def _shown(self) -> str:
        return "\n\n".join(f"![{_plain(caption)}]({path})\n\n*{caption}*" for path, caption in self.pictures.items())

    def _use(self, name: str) -> str:
        lines = ["import ratescape as rs", ""]
        if self.kind == "model":
            items = "images" if self.of_images else "rows"
            lines += [f'model = rs.from_hub("{name}")', f"latents = model.encode({items})  # top layer first"]
            lines += ["new = model.sample(16, seed=0)"]
        else:
            lines += [
                f'landscape = rs.from_hub("{name}", out="landscape")',
                'model = landscape.best("reconstruction").load()',
            ]
        code = "\n".join(lines)
        return f'## How to use it\n\n`pip install "ratescape[hub]"`, then:\n\n```python\n{code}\n```'

    def _numbers(self) -> str:
        if not (self.facts or self.layers):
            return ""
        tables: list[str] = []
        if self.layers:
            tables.append(_table(self.layers))
        if self.facts:
            tables.append(_table((("quantity", "value"), *self.facts.items())))
        return "\n\n".join(["## Numbers", f"Measured on {self.measured_on}.", *tables])


def _listed(title: str, lines: tuple[str, ...]) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {_plain(line)}" for line in lines) if lines else ""


def _table(rows: tuple[tuple[str, ...], ...]) -> str:
    lines = [f"| {' | '.join(_plain(cell).replace('|', '/') for cell in row)} |" for row in rows]
    lines.insert(1, "|---" * len(rows[0]) + "|")
    return "\n".join(lines)


def _plain(text: str) -> str:
    """In one line, so that no text of a user's makes a heading or a field of the front matter."""
    return " ".join(text.split())
