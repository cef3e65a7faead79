"""The explorer's server, as its page asks it, and as nobody should."""

import base64
import contextlib
import io
import json
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.images import blobs
from helpers.sweeps import HERE, LEAN, MODEL
from PIL import Image
from starlette.testclient import TestClient

import ratescape as rs
from ratescape.data.batches import black_and_white
from ratescape.explorer import app as app_module
from ratescape.explorer import finding
from ratescape.explorer.app import Explorer
from ratescape.explorer.family import KEPT, Family
from ratescape.explorer.pages import NONCE
from ratescape.explorer.pictures import MOST_PIXELS
from ratescape.explorer.surface import Measured, Surface

SIDE = 16
WHERE = "http://127.0.0.1:8000"
QUICK = {"epochs": 1, "batch": 32}


def mapped(out: Path, images: np.ndarray, method: Any, *, binary: bool = False, **fields: Any) -> rs.Landscape:
    """A landscape that is hardly trained, of black and white images in a file, or of an array."""
    usual: dict[str, Any] = {"model": MODEL, "training": QUICK, "evaluation": LEAN, "execution": HERE}
    source: Any = images
    if binary:
        source = {"name": str(out.with_suffix(".npz")), "binary": True}
        np.savez(source["name"], images=images)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rs.Landscape, "report", lambda self: self.folder.report)
        return rs.map_landscape(source, method=method, out=out, **usual | fields)


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> rs.Landscape:
    """One network of two layers."""
    method = {"kind": "conditioned", "conditioning": {"width": 8, "fine": 4, "restarts": 0, "refine_recommended": 0}}
    out = tmp_path_factory.mktemp("network") / "blobs"
    return mapped(out, blobs(200), method, grid={"steps": 3}, binary=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> rs.Landscape:
    """Four models of colour images, trained one by one."""
    grey = blobs(96)
    images = np.stack([grey, grey[::-1], 255 - grey], -1)
    return mapped(tmp_path_factory.mktemp("trained") / "colours", images, rs.Dedicated(grid=rs.BetaGrid(steps=2)))


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> rs.Landscape:
    """One network of three groups."""
    method = {"kind": "conditioned", "conditioning": {"width": 8, "fine": 0, "restarts": 0, "refine_recommended": 0}}
    model = {"family": "residual", "channels": 4, "latents": (2, 2, 2)}
    return mapped(tmp_path_factory.mktemp("deep") / "three", blobs(96), method, model=model, grid={"steps": 2})


class Page:
    """What the page does, without a browser."""

    def __init__(self, landscape: rs.Landscape, **options: Any) -> None:
        self.explorer = Explorer(Family(landscape), **options)
        self.client = TestClient(self.explorer.guard, WHERE, headers={"X-Ratescape-Token": self.explorer.token})

    def post(self, to: str, /, **fields: Any) -> dict[str, Any]:
        answer = self.client.post(f"/api/{to}", json=fields)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, to: str, status: int = 400, /, **fields: Any) -> str:
        return refusal(self.client.post(f"/api/{to}", json=fields), status)


def refusal(answer: Any, status: int) -> str:
    """The one line of an answer that refuses."""
    assert answer.status_code == status, answer.text
    (line,) = answer.json().values()
    assert line and "\n" not in line and "Traceback" not in line
    return line


@contextlib.contextmanager
def opened(landscape: rs.Landscape, **options: Any) -> Iterator[Page]:
    page = Page(landscape, **options)
    with page.client:
        yield page


@pytest.fixture(scope="module")
def page(landscape: rs.Landscape) -> Iterator[Page]:
    with opened(landscape) as page:
        yield page


@pytest.fixture(scope="module")
def of_colours(trained: rs.Landscape) -> Iterator[Page]:
    with opened(trained) as page:
        yield page


@pytest.fixture(scope="module")
def of_three(deep: rs.Landscape) -> Iterator[Page]:
    with opened(deep) as page:
        yield page


def png(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def cells(sheet: dict[str, Any]) -> np.ndarray:
    """The images of a sheet ``[N, H, W]`` or ``[N, H, W, 3]``, those that fill up the last row included."""
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(sheet["png"]))))
    (height, width), rows, columns = sheet["cell"], sheet["rows"], sheet["columns"]
    assert picture.shape[:2] == (rows * height, columns * width)
    apart = picture.reshape(rows, height, columns, width, -1).swapaxes(1, 2)
    return apart.reshape(-1, height, width, apart.shape[-1])


def levels(images: Any) -> np.ndarray:
    return (images.clamp(0, 1) * 255).round().permute(0, 2, 3, 1).numpy().astype(np.uint8)


def test_a_view_is_what_the_model_at_these_betas_makes(page: Page, landscape: rs.Landscape) -> None:
    seen = page.post("view", betas=[0.3, 2.5], images=["t0", "t3", "t1"], samples=5, seed=7)
    model = landscape.network().at((0.3, 2.5))
    images = page.explorer.family.known_data().test.pixels[[0, 3, 1]]
    assert (cells(seen["originals"])[..., 0] == black_and_white(images[:, 0])).all()
    assert (cells(seen["reconstructions"]) == levels(model.reconstruct(images))).all()
    assert len(np.unique(cells(seen["samples"]), axis=0)) == 5
    error = (model.reconstruct(images) - model.inputs(images)).square().mean().item()
    assert seen["psnr"] == pytest.approx(-10 * np.log10(error), abs=1e-4)
    assert seen["rate"] == sum(seen["rates"]) and seen["nelbo"] == pytest.approx(seen["distortion"] + seen["rate"])
    again, other = (page.post("view", betas=[0.3, 2.5], samples=5, seed=seed)["samples"] for seed in (7, 8))
    assert again == seen["samples"] != other and "reconstructions" not in page.post("view", betas=[1, 1])


def test_the_landscape_of_a_view_goes_through_what_was_measured(page: Page) -> None:
    facts = page.client.get("/api/landscape").json()
    assert facts["kind"] == "network" and facts["shape"] == [1, SIDE, SIDE] and len(facts["points"]) == 9
    assert len(facts["fine"]) == 16 and facts["abilities"]["ask"] == facts["uses"] == ["reconstruction"]
    for point in facts["points"]:
        seen = page.post("view", betas=point["betas"])["landscape"]
        assert seen["rates"] == pytest.approx(point["rates"], abs=1e-3)
        assert seen["psnr"] == pytest.approx(point["psnr"], abs=1e-3)
    best = max(facts["points"] + facts["fine"], key=lambda point: point["psnr"])
    assert page.post("view", betas=best["betas"])["hull"]["gap_db"] == pytest.approx(0, abs=1e-3)


def test_a_model_is_held_against_the_best_of_its_rate_or_below_it() -> None:
    rates_and_psnr = [(10.0, 14.0), (20.0, 18.0), (40.0, 20.0), (60.0, 19.0)]
    betas = [(3.0, 3.0), (1.0, 1.0), (0.3, 0.3), (0.1, 1.0)]
    points = [Measured(at, (rate / 2, rate / 2), psnr) for at, (rate, psnr) in zip(betas, rates_and_psnr, strict=True)]
    surface = Surface(points)
    assert surface.hull[1].tolist() == [14, 18, 20]
    assert surface.gap(30, 18.5) == pytest.approx(0.5) and surface.gap(60, 19) == pytest.approx(1)
    assert surface.gap(9, 15) is surface.gap(61, 21) is None


def test_rates_that_the_network_has_are_solved_for(page: Page) -> None:
    held = finding._rates(page.explorer.family, (0.4, 1.5))
    found = page.post("solve", rates=held)
    assert found["reached"] == [True, True] and found["rates"] == pytest.approx(held, rel=0.03)
    beyond = page.post("solve", rates=[5000, 5000])
    assert beyond["reached"] == [False, False] and min(beyond["betas"]) >= page.explorer.family.box[0][0] * 0.999


def test_parts_of_latents_are_decoded(page: Page, landscape: rs.Landscape) -> None:
    model, image = landscape.network().at((1.0, 1.0)), page.explorer.family.known_data().test.pixels[:1]
    z2, z1 = model.encode(image)
    _, top, both = page.post("layers", betas=[1, 1], image="t0", what="partial")["sheets"]
    assert (cells(top["sheet"])[:1] == levels(model.decode([z2]))).all() and top["title"] == "from z₂"
    assert (cells(both["sheet"])[:1] == levels(model.decode([z2, z1]))).all()
    before, drawn = page.post("layers", betas=[1, 1], image="t0", what="resample", group=1, seed=3)["sheets"]
    assert (cells(drawn["sheet"])[:6] == levels(model.decode(z2.expand(6, *z2.shape[1:]), seed=3))).all()
    assert (cells(before["sheet"]) == levels(model.decode([z2, z1]))).all()
    moved = page.post("layers", betas=[1, 1], image="t0", what="traverse", group=0)["sheets"]
    assert len(moved) == 3 and all(one["sheet"]["columns"] == 7 for one in moved)  # the group has three dimensions
    reach = z2.repeat(7, 1)
    reach[:, int(moved[0]["title"].split()[1]) - 1] = torch.linspace(-2.5, 2.5, 7)  # the top's prior is a standard one
    assert np.abs(cells(moved[0]["sheet"]).astype(int) - levels(model.decode([reach]))).max() <= 1  # z_1 follows
    spread = page.post("layers", betas=[1, 1], image="t0", what="spread")["sheets"]
    assert [one["title"] for one in spread] == ["the image", "mean", "standard deviation", "samples"]
    assert cells(spread[2]["sheet"]).max() > 0


def test_an_interpolation_has_its_images_in_the_corners(page: Page, landscape: rs.Landscape) -> None:
    model, images = landscape.network().at((1.0, 1.0)), page.explorer.family.known_data().test.pixels[[0, 5]]
    grid = cells(page.post("interpolate", betas=[1, 1], top="t0", bottom="t5", steps=3)["sheet"]).astype(int)
    z2, z1 = model.encode(images)
    corners = levels(model.decode([z2[[0, 0, 1, 1]], z1[[0, 1, 0, 1]]]))
    assert np.abs(grid[[0, 2, 6, 8]] - corners).max() <= 1


def test_one_s_own_picture_is_seen_as_the_model_takes_it(page: Page, of_three: Page) -> None:
    wide = np.zeros((40, 80, 3), np.uint8)
    wide[:, 20:60] = (200, 200, 200)  # the middle square
    wide[:, :20] = (255, 0, 0)  # which is a grey of 76
    for kind in ("PNG", "JPEG", "BMP"):
        sent = of_three.client.post("/api/images", content=png(wide, kind)).json()
        assert np.abs(cells(sent["seen"]).astype(int) - 200).max() < 16
        assert cells(page.client.post("/api/images", content=png(wide, kind)).json()["seen"]).min() == 255
    drawn = page.post("drawn", pixels="data:image/png;base64," + base64.b64encode(png(np.eye(16, dtype=bool))).decode())
    assert (cells(drawn["seen"])[0, :, :, 0] == 255 * np.eye(16)).all()
    clear = np.zeros((16, 16, 4), np.uint8)
    clear[..., :3] = 255
    assert cells(page.client.post("/api/images", content=png(clear)).json()["seen"]).max() == 0  # on black
    assert "originals" in page.post("view", betas=[1, 1], images=[drawn["id"], "t0"])


def test_pictures_belong_to_a_session_and_few_sessions_are_kept(landscape: rs.Landscape) -> None:
    with opened(landscape, sessions=2) as page:

        def send(session: str) -> str:
            head = {"X-Ratescape-Session": session}
            return page.client.post("/api/images", content=png(blobs(1)[0]), headers=head).json()["id"]

        def look(session: str, name: str) -> int:
            asked = {"betas": [1, 1], "images": [name]}
            return page.client.post("/api/view", json=asked, headers={"X-Ratescape-Session": session}).status_code

        assert send("a") == "u1" and send("b") == "u1" and look("a", "u1") == 200 and look("a", "u2") == 404
        send("c")  # b is the one that was used least recently
        assert (look("a", "u1"), len(page.explorer.sessions)) == (200, 2) and look("b", "u1") == 404
        assert [send("a") for _ in range(32)][-1] == "u33" and look("a", "u1") == 404 and look("a", "u2") == 200
        page.client.post("/api/bye", headers={"X-Ratescape-Session": "a"})
        assert look("a", "u2") == 404


def test_a_model_is_kept_and_loads_and_nothing_is_overwritten(page: Page, landscape: rs.Landscape) -> None:
    first, second = (page.post("keep", betas=[0.3, 2.5]) for _ in range(2))
    assert first["path"] != second["path"] and Path(first["path"]).parent == landscape.folder.path / "kept"
    model: Any = {"ratescape": rs}
    exec(first["python"], model)
    images = blobs(3)
    assert (model["model"].reconstruct(images) == landscape.network().at((0.3, 2.5)).reconstruct(images)).all()
    named = page.post("keep", betas=[1, 1], name="mine")
    assert named["path"].endswith("kept/mine.safetensors")
    assert len(rs.evaluate(named["path"])) == 2  # it knows its landscape
    for name in ("../out", "/tmp/out", "a/b", ".hidden", "", "x" * 100, "a\0b"):
        assert "name must be" in page.refused("keep", betas=[1, 1], name=name)


def test_what_is_erased_is_restored(page: Page) -> None:
    mask = np.zeros((64, 64), np.uint8)  # of another size than the model's
    mask[32:] = 255
    sent = base64.b64encode(png(mask)).decode()
    found = page.post("restore", betas=[0.3, 0.3], image="t0", mask=sent)
    image = page.explorer.family.known_data().test.pixels[0, 0]
    mean, spread = cells(found["mean"])[0, ..., 0], cells(found["spread"])[0, ..., 0]
    assert (mean[:8] == black_and_white(image[:8])).all() and (spread[:8] == 0).all() and spread[8:].max() > 0
    assert len(cells(found["restored"])) == 8 and (cells(found["seen"])[0, 8:] == 128).all()
    nothing = base64.b64encode(png(mask * 0)).decode()
    assert "no white pixel" in page.refused("restore", betas=[1, 1], image="t0", mask=nothing)


def test_bytes_are_those_of_the_codec(page: Page) -> None:
    found = page.post("bytes", betas=[0.1, 0.1], image="t0")
    bits = found["bits_by_group"]
    assert len(bits) == 2 and 0 < sum(bits) <= 8 * found["bytes"] < sum(bits) + 8


def test_asking_says_what_recommend_says(page: Page, landscape: rs.Landscape) -> None:
    best = landscape.best("reconstruction")
    found = page.post("ask", use="reconstruction")
    assert found["betas"] == pytest.approx(best.betas) and found["text"] == str(best)
    assert found["sentence"].startswith("For reconstruction: betas ")
    assert "unknown use" in page.refused("ask", use="nonsense")
    assert "max_rate" in page.refused("ask", use="reconstruction", max_rate=-1)
    page.refused("ask", use="reconstruction", max_rate=1e-6)


def test_trained_models_are_snapped_to(of_colours: Page, trained: rs.Landscape) -> None:
    facts = of_colours.client.get("/api/landscape").json()
    assert facts["kind"] == "models" and facts["fine"] == [] and facts["shape"] == [3, SIDE, SIDE]
    seen = of_colours.post("view", betas=[0.2, 3], images=["t0", "t1"], samples=2)
    row = next(row for _, row in trained.table.iterrows() if (row["beta_2"], row["beta_1"]) == (0.1, 10.0))
    assert seen["betas"] == [0.1, 10.0] and seen["snapped"] == row["run"]
    model = rs.load(trained.folder.path / "runs" / row["run"])
    images = of_colours.explorer.family.known_data().test.pixels[:2]
    assert (cells(seen["reconstructions"]) == levels(model.reconstruct(images))).all()
    rates = [float(row["rate_2"]), float(row["rate_1"])]
    assert of_colours.post("solve", rates=rates) == {"betas": [0.1, 10.0], "rates": rates, "reached": [True, True]}
    sent = of_colours.client.post("/api/images", content=png(blobs(1)[0])).json()  # grey, for a model of colours
    assert cells(sent["seen"]).shape[-1] == 3


def test_three_groups_work(of_three: Page) -> None:
    facts = of_three.client.get("/api/landscape").json()
    assert [group["label"] for group in facts["groups"]] == ["z₃", "z₂", "z₁"] and len(facts["box"]) == 3
    seen = of_three.post("view", betas=[0.5, 1, 2], images=["t0"], samples=1)
    assert len(seen["rates"]) == 3
    assert len(of_three.post("layers", betas=[1, 1, 1], image="t0", what="partial")["sheets"]) == 4
    for what in ("resample", "traverse", "spread"):
        of_three.post("layers", betas=[1, 1, 1], image="t0", what=what, group=1)
    grid = of_three.post("interpolate", betas=[1, 1, 1], top="t0", bottom="t1", steps=2, split=2)
    assert "Downwards, z₃, z₂" in grid["words"]
    assert len(of_three.post("solve", rates=[1, 1, 1])["betas"]) == 3


def test_rows_are_refused(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(80, 3))
    model = {"family": "vector", "latents": (2, 2), "channels": 4}
    landscape = mapped(tmp_path / "rows", rows, rs.Dedicated(grid=rs.BetaGrid(1.0, 1.0, 1)), model=model)
    with pytest.raises(rs.RatescapeError, match="is of rows, which are no pictures"):
        Family(landscape)


def test_without_its_images_a_landscape_is_explored_with_one_s_own(deep: rs.Landscape, tmp_path: Path) -> None:
    shutil.copytree(deep.folder.path, tmp_path / "sent")
    shutil.rmtree(tmp_path / "sent" / "data")
    with opened(rs.Landscape(tmp_path / "sent")) as page:
        facts = page.client.get("/api/landscape").json()
        assert facts["test"]["count"] == 0 and facts["notes"] and not facts["abilities"]["bytes"]
        name = page.client.post("/api/images", content=png(blobs(1)[0])).json()["id"]
        page.post("view", betas=[1, 1, 1], images=[name], samples=1)
        page.post("layers", betas=[1, 1, 1], image=name, what="traverse")
        page.post("solve", rates=[1, 1, 1])
        assert "needs the landscape's images" in page.refused("view", 409, betas=[1, 1, 1], images=["t0"])


def test_models_at_hand_are_few(page: Page) -> None:
    for beta in np.geomspace(0.2, 5, 20):
        page.post("view", betas=[float(beta), 1])
    assert len(page.explorer.family._models) == KEPT


HOSTS = ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "8.8.8.8", "", "[::1].evil.example"]


@pytest.mark.parametrize("host", HOSTS)
def test_other_hosts_are_refused(page: Page, host: str) -> None:
    for path in ("/", "/api/landscape"):
        assert "Host" in refusal(page.client.get(path, headers={"Host": host}), 421)


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:1", "[::1]:8000", "LOCALHOST"])
def test_names_of_this_machine_are_not(page: Page, host: str) -> None:
    assert page.client.get("/api/landscape", headers={"Host": host}).status_code == 200


def test_an_open_host_is_known_by_addresses_but_not_by_strange_names(landscape: rs.Landscape) -> None:
    with opened(landscape, host="0.0.0.0") as page:
        assert page.client.get("/api/landscape", headers={"Host": "192.168.1.7:8000"}).status_code == 200
        refusal(page.client.get("/api/landscape", headers={"Host": "evil.example"}), 421)


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:9000", "http://localhost:8000"])
def test_other_origins_are_refused(page: Page, origin: str) -> None:
    assert "other pages" in refusal(page.client.post("/api/view", headers={"Origin": origin}), 403)
    opened = page.client.get("/", params={"token": page.explorer.token}, headers={"Origin": origin})
    assert "other pages" in refusal(opened, 403)
    own = page.client.get("/api/landscape", headers={"Origin": WHERE})
    assert own.status_code == 200 and "access-control-allow-origin" not in own.headers
    refusal(page.client.get("/api/landscape", headers={"Sec-Fetch-Site": "cross-site"}), 403)


def test_the_token_is_needed(page: Page) -> None:
    for token in ("", "wrong", page.explorer.token[:-1], "é"):
        head = {b"X-Ratescape-Token": token.encode()}
        for answer in (page.client.get("/api/landscape", headers=head), page.client.post("/api/images", headers=head)):
            assert "token" in refusal(answer, 403)
        told = page.client.get("/", params={"token": token})
        assert told.status_code == 403 and "ratescape explore" in told.text and page.explorer.token not in told.text


def test_a_mistyped_address_is_told_so_to_who_has_the_token(page: Page) -> None:
    bare = TestClient(page.explorer.guard, WHERE)
    for path in ("/explore", "/?/", "/index.html"):
        answer = bare.get(path.replace("?", "%3F"), params={"token": page.explorer.token})
        assert "is nothing that this server answers" in refusal(answer, 404)
    assert "token" in refusal(bare.get("/explore", params={"token": "wrong"}), 403)
    assert "token" in refusal(bare.get("/api/landscape", params={"token": page.explorer.token}), 403)


def test_the_page_may_run_its_own_script_alone(page: Page) -> None:
    first, second = (page.client.get("/", params={"token": page.explorer.token}) for _ in range(2))
    policy = first.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'nonce-") and "frame-ancestors 'none'" in policy
    assert policy != second.headers["content-security-policy"]  # nobody can foretell it
    nonce = policy.partition("'nonce-")[2].partition("'")[0]
    assert f'nonce="{nonce}"' in first.text and NONCE not in first.text and page.explorer.token not in first.text
    for answer in (first, page.client.get("/api/landscape"), page.client.get("/nothing")):
        assert answer.headers["cache-control"] == "no-store" and answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer" and "content-security-policy" in answer.headers


BAD = [
    (b"", "no JSON"),
    (b"{", "no JSON"),
    (b"\xff\xfe", "no JSON"),
    (b"[" * 100_000, "nested too deeply"),
    (b'{"betas":' * 100_000, "nested too deeply"),
    (b"[1, 1]", "no JSON object"),
    (b"{}", "betas must be"),
    (b'{"betas": "1, 1"}', "betas must be"),
    (b'{"betas": [NaN, 1]}', "no JSON"),
    (b'{"betas": [Infinity, 1]}', "no JSON"),
    (b'{"betas": [1e999, 1]}', "betas must be"),
    (b'{"betas": [' + b"9" * 400 + b", 1]}", "betas must be"),
    (b'{"betas": [' + b"9" * 10_000 + b", 1]}", "no JSON"),
    (b'{"betas": [-1, 1]}', "betas must be"),
    (b'{"betas": [0, 1]}', "betas must be"),
    (b'{"betas": [true, 1]}', "betas must be"),
    (b'{"betas": [1e-9, 1]}', "choose one from"),
    (b'{"betas": [1, 1e9]}', "choose one from"),
    (b'{"betas": [1]}', "give 2"),
    (b'{"betas": [' + b"1," * 9999 + b"1]}", "betas must be"),
    (b'{"betas": [1, 1], "samples": 17}', "samples must be"),
    (b'{"betas": [1, 1], "samples": 1.5}', "samples must be"),
    (b'{"betas": [1, 1], "samples": 1, "seed": -1}', "seed must be"),
    (b'{"betas": [1, 1], "images": "t0"}', "images must be"),
    (b'{"betas": [1, 1], "images": [' + b'"t0",' * 16 + b'"t0"]}', "images must be"),
]


@pytest.mark.parametrize(("content", "told"), BAD, ids=range(len(BAD)))
def test_what_is_malformed_is_refused(page: Page, content: bytes, told: str) -> None:
    assert told in refusal(page.client.post("/api/view", content=content), 400)


@pytest.mark.parametrize("name", ["", "x", "t", "t-1", "t1.5", "t99999999999", "t٣", "u0", "u99", "../t0", "<script>"])
def test_unknown_images_are_refused(page: Page, name: str) -> None:
    page.refused("view", 404, betas=[1, 1], images=[name])


def test_strange_requests_are_refused(page: Page) -> None:
    assert "there are ask, bytes" in page.refused("nothing", 404)
    for method, path in (
        ("GET", "/../etc/passwd"),
        ("PUT", "/api/view"),
        ("GET", "/api/view"),
        ("TRACE", "/"),
        ("GET", "/api/test/"),
    ):
        assert page.client.request(method, path, follow_redirects=False).status_code in (404, 405)
    for query in ("from=-1", "from=x", "count=1e3", "from=٣"):
        assert "whole number" in refusal(page.client.get(f"/api/test?{query}"), 400)
    assert refusal(page.client.get("/api/test?from=999999"), 404)
    assert refusal(page.client.post("/api/view", headers={"X-Ratescape-Session": "../x"}), 400)
    assert "one of" in page.refused("layers", betas=[1, 1], image="t0", what="__class__")
    assert "group must be" in page.refused("layers", betas=[1, 1], image="t0", what="traverse", group=2)
    assert "base64" in page.refused("restore", betas=[1, 1], image="t0", mask="*")


def test_what_is_no_picture_is_refused(page: Page) -> None:
    good = png(blobs(1)[0])
    for content in (b"", b"no picture", good[:40], b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"II*\0" + bytes(100)):
        assert "PNG, JPEG" in refusal(page.client.post("/api/images", content=content), 415)
    assert "damaged" in refusal(page.client.post("/api/images", content=good[: len(good) // 2]), 415)


def test_a_picture_bomb_is_refused_before_it_is_decoded(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    side = int(MOST_PIXELS**0.5) + 100
    bombs = [png(np.zeros((side, side), bool)), png(np.zeros((2, 30_000), bool)), bomb(100_000, 100_000)]
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    for content in bombs:
        assert len(content) < 1 << 20
        assert "million pixels" in refusal(page.client.post("/api/images", content=content), 413)


def bomb(width: int, height: int) -> bytes:
    """The head of a PNG that claims to be huge."""
    data = b"\0\0\0\0IDAT" + zlib.crc32(b"IDAT").to_bytes(4, "big")
    head = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + head + zlib.crc32(head).to_bytes(4, "big") + data


def test_a_defect_is_told_at_the_terminal_alone(
    page: Page, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*given: Any) -> Any:
        raise ZeroDivisionError("a secret of the machine")

    monkeypatch.setitem(page.explorer.answers, "view", fails)
    assert "secret" not in refusal(page.client.post("/api/view", json={}), 500)
    assert "ZeroDivisionError: a secret" in capsys.readouterr().err
    monkeypatch.undo()
    page.post("view", betas=[1, 1])


def test_a_full_queue_is_told(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "QUEUE", 0)
    assert "busy" in page.refused("view", 503, betas=[1, 1])


def test_texts_of_the_answers_are_json_of_browsers(page: Page) -> None:
    """NaN is no JSON; of a picture that is restored exactly PSNR is infinite."""
    answer = page.client.get("/api/landscape").text
    assert json.loads(answer, parse_constant=lambda name: pytest.fail(name))
