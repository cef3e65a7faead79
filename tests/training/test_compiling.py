"""``auto`` compiles where much is left, keeps what is faster, and does without where the machine cannot."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch._dynamo.exc import BackendCompilerFailed

from ratescape.model.packs import pack_pass
from ratescape.specs.execution import CompileName
from ratescape.training import compiling
from ratescape.training.compiling import TIMED, WARM, PassChoice

CPU = torch.device("cpu")
ENOUGH = 3 * (WARM + TIMED)


class Clock:
    """Says what time it is; every step by a pass takes what is said of it."""

    def __init__(self, plain: float, compiled: float) -> None:
        self.now, self.plain, self.compiled = 0.0, plain, compiled

    def steps(self, choice: PassChoice, count: int) -> list[str]:
        names = ["plain" if choice.before_step() is pack_pass else "compiled" for _ in self.ticks(choice, count)]
        return list(dict.fromkeys(names))

    def ticks(self, choice: PassChoice, count: int) -> Any:
        for _ in range(count):
            yield
            self.now += self.plain if choice._run is pack_pass else self.compiled  # the time of the step itself


@pytest.fixture
def clocked(monkeypatch: pytest.MonkeyPatch) -> Callable[[float, float], Clock]:
    def make(plain: float, compiled: float) -> Clock:
        clock = Clock(plain, compiled)
        monkeypatch.setattr(compiling.time, "monotonic", lambda: clock.now)
        monkeypatch.setattr(compiling, "compiled_pass", lambda: fake_pass)
        return clock

    return make


def fake_pass(*_: Any) -> Any:
    raise AssertionError("not to be called")


@pytest.mark.parametrize(
    ("plain", "compiled", "left", "passes"),
    [
        (0.1, 0.08, 9_500, ["plain", "compiled"]),  # 950 s are left, and a fifth is saved
        (0.1, 0.08, 8_000, ["plain"]),  # 800 s: not worth it
        (0.1, 0.099, 9_500, ["plain", "compiled", "plain"]),  # tried, and no faster
    ],
)
def test_what_a_training_is_taken_by(
    clocked: Callable[[float, float], Clock], plain: float, compiled: float, left: int, passes: list[str]
) -> None:
    clock = clocked(plain, compiled)
    choice = PassChoice("auto", left, CPU)
    seen = [clock.steps(choice, WARM + TIMED) for _ in range(3)] + [clock.steps(choice, ENOUGH)]
    flat = [name for names in seen for name in names]
    assert [name for at, name in enumerate(flat) if at == 0 or flat[at - 1] != name] == passes


@pytest.mark.parametrize("how", ["never", "always"])
def test_what_is_asked_for_is_not_timed(clocked: Callable[[float, float], Clock], how: CompileName) -> None:
    clock = clocked(1.0, 2.0)
    assert clock.steps(PassChoice(how, 10_000, CPU), ENOUGH) == ["plain" if how == "never" else "compiled"]


def test_a_machine_that_cannot_compile_goes_on_without(
    clocked: Callable[[float, float], Clock], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = clocked(1.0, 1.0)
    plain_calls: list[int] = []

    def cannot(*_: Any) -> Any:
        raise BackendCompilerFailed(print, RuntimeError("No working C++ compiler found"), None)

    monkeypatch.setattr(compiling, "compiled_pass", lambda: cannot)
    choice = PassChoice("auto", 10_000, CPU)
    clock.steps(choice, WARM + TIMED + 1)
    tried = choice.before_step()
    assert tried is not pack_pass
    monkeypatch.setattr(compiling, "pack_pass", plain_calls.append)
    tried(7)
    assert plain_calls == [7]
    assert choice.before_step() == plain_calls.append
