"""Specs of networks that a factory of the user's builds: names, options, and what is known before they are built."""

import functools
from typing import Any

import pytest
from helpers.own_modules import Write
from helpers.own_modules import forgotten as forgotten
from helpers.own_modules import written as written
from helpers.own_networks import three

import ratescape
from ratescape.errors import SpecError
from ratescape.specs import factories
from ratescape.specs.codec import from_dict, to_dict
from ratescape.specs.default_method import default_method
from ratescape.specs.given import as_spec
from ratescape.specs.grid import BetaGrid
from ratescape.specs.identity import key
from ratescape.specs.methods import Conditioned, Dedicated, Targeted, usual_annealing
from ratescape.specs.model import ModelSpec
from ratescape.specs.runs import RunSpec
from ratescape.specs.sweep import SweepSpec
from ratescape.specs.training import TrainingSpec

OPEN = ModelSpec(factory="nets:mixer", options='{"width": 8}')
BUILT = ModelSpec(factory="nets:mixer", latents=(3, 16, 16), source="0123456789ab")


def test_equal_options_are_one_text_however_they_are_given() -> None:
    one = ModelSpec(factory="nets:mixer", options={"width": 8, "depths": [1, 2]})
    assert one.options == '{"depths": [1, 2], "width": 8}'
    assert one == as_spec(ModelSpec, {"factory": "nets:mixer", "options": ' {"width":8, "depths": [1,2]}'}, "model")
    assert one == as_spec(ModelSpec, {"factory": "nets:mixer", "options": {"depths": [1, 2], "width": 8}}, "model")
    assert one == from_dict(ModelSpec, to_dict(one))
    assert ModelSpec(factory="nets:mixer", options="{}") == ModelSpec(factory="nets:mixer")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("{width: 64}", "which is no JSON"),
        ("[64]", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ("", "which is no JSON"),
        ({"width": float("nan")}, "which JSON cannot hold"),
        ({"width": object()}, "which JSON cannot hold"),
        ({1: 2}, "must be a JSON object"),
        (64, "must be a JSON object"),
    ],
)
def test_options_that_are_no_json_object_are_refused(options: Any, said: str) -> None:
    with pytest.raises(SpecError, match=rf"^model\.options is .*{said}"):
        ModelSpec(factory="nets:mixer", options=options)


@pytest.mark.parametrize(
    "name", ["nets:", ":mixer", "nets:mixer()", "nets/mixer.py:mixer", "a:b:c", "", "nets:1", "os system"]
)
def test_names_of_no_factory_are_refused(name: str) -> None:
    with pytest.raises(SpecError, match=r"^model\.factory is .*package\.module:function"):
        ModelSpec(factory=name)


@pytest.mark.parametrize(
    "fields",
    [{"family": "lvae"}, {"channels": 4}, {"blocks": "1x1"}, {"latents": (3, 2)}, {"bottleneck": 0.5}],
    ids=lambda fields: next(iter(fields)),
)
def test_what_means_nothing_with_a_factory_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=rf"^model\.{next(iter(fields))} is .*give model\.options"):
        ModelSpec(factory="nets:mixer", **fields)


@pytest.mark.parametrize("fields", [{"options": {"width": 3}}, {"source": "0123"}, {"tied": True}])
def test_what_means_nothing_without_a_factory_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=r"left out without model\.factory"):
        ModelSpec(**fields)


def test_factory_options_and_source_are_part_of_the_key() -> None:
    others = [
        BUILT,
        ModelSpec(factory="nets:other", latents=BUILT.latents, source=BUILT.source),
        ModelSpec(factory="nets:mixer", options={"width": 8}, latents=BUILT.latents, source=BUILT.source),
        ModelSpec(factory="nets:mixer", latents=BUILT.latents, source="ba9876543210"),
        ModelSpec(factory="nets:mixer", latents=BUILT.latents, source=BUILT.source, tied=True),
    ]
    assert len({key(RunSpec(model=model)) for model in others}) == 5


def test_layers_are_not_known_before_the_network_is_built() -> None:
    assert OPEN.is_open and not BUILT.is_open and BUILT.layers == 3
    with pytest.raises(SpecError, match="layers of nets:mixer are counted when its network is built"):
        _ = OPEN.layers
    assert RunSpec(model=OPEN, betas=(1.0, 2.0, 3.0)).betas == (1.0, 2.0, 3.0)
    assert SweepSpec(model=OPEN, method=Targeted(("3=2,1=4",))).model == OPEN
    for model in (OPEN, BUILT):
        found = default_method(model, TrainingSpec(), BetaGrid(), None)
        points = "all beta points" if model is OPEN else "all 64 beta points"  # those of OPEN are not counted yet
        assert found.method is Conditioned and points in found.reason
    assert default_method(OPEN, TrainingSpec(), BetaGrid(1.0, 1.0, 1), None).method is Dedicated
    with pytest.raises(SpecError, match="one number for each of the 3 layers"):
        RunSpec(model=BUILT, betas=(1.0, 2.0))


def test_layers_are_grouped_in_three_and_not_at_all_where_they_are_tied() -> None:
    def spec(layers: int, tied: bool = False) -> ModelSpec:
        return ModelSpec(factory="nets:mixer", latents=(4,) * layers, source="0", tied=tied)

    assert spec(3).usual_groups == (0, 1, 2)
    assert spec(7).usual_groups == (0, 0, 0, 1, 1, 2, 2)
    assert spec(4, tied=True).usual_groups == (0,) * 4 and not spec(4, tied=True).tunable
    assert usual_annealing(spec(3)) == "balanced"  # though its family stands at the default
    with pytest.raises(SpecError, match="a nets:mixer model takes equal betas only"):
        RunSpec(model=spec(2, tied=True), betas=(1.0, 2.0))


def test_a_function_stands_for_its_name(forgotten: None) -> None:
    spec = ModelSpec(factory=three)
    assert spec.factory == "helpers.own_networks:three" and factories.factory_of("helpers.own_networks:three") is three
    assert as_spec(ModelSpec, {"factory": three}, "model") == spec


def test_functions_that_others_cannot_import_are_refused_with_the_remedy(forgotten: None) -> None:
    def local() -> None: ...

    notebook: Any = eval("lambda shape, likelihood: None", {"__name__": "__main__"})
    for function in (local, notebook, lambda: None, functools.partial(three, width=2)):
        with pytest.raises(
            SpecError, match=r"cannot import by its name: .*ratescape\.register\(.*in-process"
        ) as caught:
            ModelSpec(factory=function)
        assert "\n" not in str(caught.value)
    with pytest.raises(SpecError, match=r"^model\.factory is a int: give package\.module:function or a function"):
        ModelSpec(factory=3)


def test_registered_names_are_known_to_this_process(forgotten: None) -> None:
    with pytest.raises(SpecError, match=r"'mine', which is not registered .*ratescape\.register\('mine', function\)"):
        factories.factory_of("mine")
    ratescape.register("mine", three)
    assert factories.factory_of(str(ModelSpec(factory="mine").factory)) is three
    for name in ("nets:mine", "", "my net"):
        with pytest.raises(SpecError, match=rf"^name is '{name}'"):
            ratescape.register(name, three)
    with pytest.raises(SpecError, match="of type int, which cannot be called"):
        ratescape.register("mine", 3)  # pyright: ignore[reportArgumentType]


def test_nothing_is_imported_that_is_not_allowed(written: Write) -> None:
    name = written()
    with pytest.raises(SpecError, match=rf"built by the factory {name}, .*--allow-factory {name} at a terminal$"):
        factories.factory_of(name)
    factories.allow_factories([name])
    assert factories.factory_of(name) is three


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "import nowhere_at_all",
            r"own_net cannot be imported \(ModuleNotFoundError: No module named 'nowhere_at_all'\)",
        ),
        ("raise SystemExit(3)", r"own_net cannot be imported \(SystemExit: 3\)"),
        ("def (", r"own_net cannot be imported \(SyntaxError"),
        ("other = 3", r"own_net has no net: check the name"),
        ("net = 3", r"of type int, which cannot be called"),
    ],
)
def test_a_factory_that_cannot_be_had_is_told_in_one_line(written: Write, text: str, said: str) -> None:
    name = written(text)
    factories.allow_factories([name])
    with pytest.raises(SpecError, match=said) as caught:
        factories.factory_of(name)
    assert "\n" not in str(caught.value) and str(caught.value).startswith("model.factory is 'own_net:net'")


def test_the_digest_is_that_of_the_source_of_the_module(written: Write) -> None:
    text = "def net(shape, likelihood):\n    return None\n"
    digests: list[str] = []
    for one in (text, text, text + "# more\n"):
        name = written(one)
        factories.allow_factories([name])
        digests.append(factories.source_of(name))
    assert digests[0] == digests[1] != digests[2] and len(digests[0]) == 12
    factories.allow_factories(["time:sleep"])
    with pytest.raises(SpecError, match=r"'time:sleep', whose source cannot be read"):
        factories.factory_of("time:sleep")
