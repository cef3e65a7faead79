"""Pictures of models while they train, for loggers: reconstructions and samples after an epoch."""

import base64
import copy
import math
from collections.abc import Callable, Sequence

from ratescape.data.batches import Images
from ratescape.evaluation import pictures
from ratescape.execution.progress.messages import Tell
from ratescape.execution.workspace import Workspace
from ratescape.model.conditioning import Conditioned
from ratescape.model.hierarchy import HVAE
from ratescape.model.packs import Parameters, member

Watch = Callable[[int, Parameters], None]


def sketching(
    model: HVAE | Conditioned, runs: Sequence[str], workspace: Workspace, tell: Tell, attempt: int = 1
) -> Watch | None:
    """What is shown the weights after each epoch, and tells pictures of every member; None where none are wanted.

    Pictures are of the first test images, which nothing is chosen by, and of the samples that a finished model shows. A
    conditioned network is drawn in the middle of its box, by the logarithms of its betas. Nothing is drawn of vectors,
    nor of weights that are not finite.

    Args:
        model: structure and buffers; it is not changed.
        runs: keys of the members, in their order.
        attempt: counted from 1.
    """
    every, data, settings = workspace.execution.log_pictures, workspace.data, workspace.evaluation
    if not workspace.execution.log or every == 0 or data.columns is not None:
        return None
    shown = copy.deepcopy(model)
    like = next(shown.parameters())
    test = Images.of(data, data.test.pixels[: settings.pictures], like.device, like.dtype)

    def draw(epoch: int, parameters: Parameters) -> None:
        if epoch % every:
            return
        for index, run in enumerate(runs):
            weights = member(parameters, index)
            if not all(bool(value.isfinite().all()) for value in weights.values()):
                continue
            shown.load_state_dict(shown.state_dict() | weights)
            one = shown.at(math.sqrt(shown.low * shown.high)) if isinstance(shown, Conditioned) else shown
            drawn = {
                "reconstructions": pictures.reconstructions(one, test, settings.pictures),
                "samples": pictures.samples(one, settings.pictures, settings.seed),
            }
            for name, png in drawn.items():
                about = {"kind": "picture", "runs": [run], "name": name, "epoch": epoch, "attempt": attempt}
                tell({**about, "png": base64.b64encode(png).decode()})

    return draw
