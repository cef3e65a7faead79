"""What a landscape is used for, as its methods: rooms that stand above are found by name when they are called."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratescape.landscape.contents import data_of, network_of
from ratescape.records import answers
from ratescape.records.answers import Answer
from ratescape.records.folders import RunFolder, SweepFolder
from ratescape.specs.execution import ExecutionSpec
from ratescape.specs.given import Betas, Fields, as_betas, as_spec
from ratescape.specs.refining import refined_run

if TYPE_CHECKING:  # what needs torch is imported where it is used
    from ratescape.execution.observing import Progressing
    from ratescape.execution.progress import Observer


class LandscapeUses:
    """Methods of a landscape that other rooms carry out."""

    folder: SweepFolder

    def refine(
        self,
        betas: Betas,
        epochs: int,
        *,
        seed: int | None = None,
        data_folder: str | Path | None = None,
        execution: ExecutionSpec | Fields | None = None,
        progress: "Progressing" = False,
        observer: "Observer | None" = None,
    ) -> RunFolder:
        """Train the network's model at these betas on, alone, measure it, and keep it in ``refined/KEY``.

        What is done is not done again; a killed call is taken up by the same call. ``landscape.refined`` has it with
        what was measured before.

        Example::

            run = landscape.refine((0.3, 2.5), 4)
            model = rs.load(run.path)

        Args:
            betas: one for each layer, top layer first, or one number for all, inside the network's box.
            epochs: of further training, from the network's weights.
            seed: one of the sweep's; default: the first.
            execution: device, compilation and checkpoints.
            progress: True shows how far it is; a function is called with each :class:`Progress` and :class:`Epoch`.
            observer: sees steps, epochs and pictures as they come.

        Raises:
            SpecError: every beta point has a network of its own, epochs that are not positive, betas outside the
                box.
            RatescapeError: the network or the images are missing or damaged, or the folder is busy.
        """
        spec = self.folder.spec()
        own = spec.seeds[0] if seed is None else seed
        point = as_betas(betas, spec.model.layers, spec.grouping())
        run = refined_run(spec, point, own, epochs)  # refused before torch is imported

        from ratescape.execution.observing import observer_of
        from ratescape.execution.refining import refine

        network_of(self.folder, own, "cpu").at(point)  # betas are refused before anything is loaded
        how = as_spec(ExecutionSpec, execution, "execution")
        with observer_of(progress, observer) as seen:
            refine([run], data_of(self.folder, data_folder), self.folder, how, seen)
        return self.folder.refined(run)

    def answers(self) -> list[Answer]:
        """What was found for rates asked for, by training or by requests kept; :class:`RecordError` if damaged.

        Example::

            reached = [answer.betas for answer in landscape.answers() if answer.reached]
        """
        return answers.answers(self.folder)

    def keep(self, answer: Answer) -> None:
        """Remember an answer of :meth:`ratescape.Landscape.at_rates`, so that the report shows it.

        Example::

            landscape.keep(landscape.at_rates("total=60,2=25%").answer)
        """
        answers.add_answer(self.folder, answer)

    def report(self, *, pdf: bool = False) -> Path:
        """Draw the landscape and every figure of the paper, and write the report page; returns its path.

        Figures whose measurements are missing are left out; the page says which, and why.

        Example::

            landscape.report(pdf=True)  # digits/report.html

        Args:
            pdf: whether to write each figure as a PDF, too.
        """
        from ratescape.report.write import write_report  # with Matplotlib, which takes a second

        return write_report(self.folder, pdf)

    def save_pretrained(self, folder: str | Path, **told: Any) -> Path:
        """Write the landscape with a card into a folder, in the form of a repository of the hub; needs no network.

        Args:
            folder: new or empty, or one that was written so before.
            told: as of :meth:`push_to_hub`, but for ``private`` and ``token``.

        Raises:
            RecordError: the folder holds other files, or cannot be written.

        Example::

            landscape.save_pretrained("digits-landscape", licence="mit")
            again = rs.from_hub("./digits-landscape", out="digits-again")
        """
        above = importlib.import_module("ratescape.hub.sharing")
        return above.save_landscape_folder(self, folder, above.Told(**told))

    def push_to_hub(self, name: str, *, private: bool = False, token: str | None = None, **told: Any) -> str:
        """Upload the landscape (models, networks, records, figures) with a card to the hub; returns its address.

        The name or path of its images, as you gave it, is in its spec and goes along; the images do not.

        Args:
            name: ``OWNER/NAME``, or the name alone for the owner of the token; made if it is not there.
            private: whether a new repository is private.
            token: default: that of ``hf auth login`` or of HF_TOKEN.
            told: what the card says: ``licence`` of the weights, ``data`` in words, ``data_licence``; all optional, and
                said to be unknown otherwise.

        Raises:
            ResourceError: the extra ``hub`` is not installed.
            HubError: no token, no right, offline, or no connection.

        Example::

            landscape.push_to_hub("me/digits-landscape", licence="mit", data="MNIST", data_licence="CC BY-SA 3.0")
        """
        above = importlib.import_module("ratescape.hub.sharing")
        return above.push_landscape(self, name, above.Told(**told), private, token)

    def explore(
        self,
        *,
        height: int = 760,
        host: str = "127.0.0.1",
        port: int = 0,
        data_folder: str | Path | None = None,
        sessions: int = 4,
        device: str = "cpu",
    ) -> Any:
        """Move through the models on a page, which a notebook shows in a frame; a thread serves it.

        Args:
            height: of the frame, in pixels.
            host: to listen on; anything but 127.0.0.1 can be reached from other machines.
            port: 0 for a free one.
            data_folder: where to look first for the images that the landscape was mapped with.
            sessions: pages whose pictures are kept at once.
            device: where the models compute.

        Returns:
            A :class:`ratescape.explorer.serving.Served`: its ``address`` is what a browser opens, ``close()`` ends it.

        Raises:
            SpecError: a landscape of rows, of which there are no pictures.
            ResourceError: the extra ``explore`` is not installed, or the port is taken.

        Example::

            shown = rs.Landscape("digits").explore()  # at the end of a cell: the page
            shown.close()
        """
        above = importlib.import_module("ratescape.explorer.serving")
        return above.explore(
            self,
            height=height,
            host=host,
            port=port,
            data_folder=data_folder,
            sessions=sessions,
            device=device,
        )
