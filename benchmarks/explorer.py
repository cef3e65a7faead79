"""How fast `ratescape explore` follows a hand: from request to picture over HTTP, and whether its memory stands still.

    python benchmarks/explorer.py LANDSCAPE [--moves 500] [--long 10000]

A page that drags asks for the numbers and reconstructions of eight images, and for eight samples, at betas that it has
not asked for before. The server runs in a process of its own; what is timed ends when both pictures are decoded.
"""

import argparse
import base64
import contextlib
import http.client
import io
import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import numpy as np
import psutil
from PIL import Image

IMAGES, SAMPLES = 8, 8
EVERY = 1000
"""Moves after which memory is looked at."""


class Client:
    """A page, without a browser."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.connection = http.client.HTTPConnection("127.0.0.1", parts.port or 0, timeout=120)
        self.head = {"X-Ratescape-Token": parse_qs(parts.query)["token"][0]}

    def ask(self, path: str, fields: object = None) -> dict[str, object]:
        content = None if fields is None else json.dumps(fields)
        self.connection.request("GET" if content is None else "POST", path, content, self.head)
        answer = self.connection.getresponse()
        found = json.loads(answer.read())
        if answer.status != 200:
            raise SystemExit(f"{path}: {found}")
        return found

    def move(self, betas: list[float]) -> float:
        """Seconds until the pictures at betas are decoded."""
        begun = time.perf_counter()
        names = [f"t{number}" for number in range(IMAGES)]
        found = self.ask("/api/view", {"betas": betas, "images": names, "samples": SAMPLES})
        for name in ("reconstructions", "samples"):
            sheet = found[name]
            assert isinstance(sheet, dict)
            Image.open(io.BytesIO(base64.b64decode(sheet["png"]))).load()
        return time.perf_counter() - begun


@contextlib.contextmanager
def served(landscape: str) -> Iterator[tuple[str, psutil.Process]]:
    """A server in a process of its own: its address, and the process."""
    words = [sys.executable, "-m", "ratescape", "explore", landscape, "--no-open"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[-1], psutil.Process(process.pid)
        finally:
            process.terminate()


def worked(process: psutil.Process) -> float:
    """Processor seconds of a process, which say more than a clock where others use the same cores."""
    times = process.cpu_times()
    return times.user + times.system


def path(box: list[list[float]], count: int) -> Iterator[list[float]]:
    """Points of a way through the box that never meets itself, all of different betas."""
    for step in range(count):
        shares = [0.5 + 0.49 * math.sin(step * (0.011 + 0.0073 * axis) + axis) for axis in range(len(box))]
        yield [low ** (1 - share) * high**share for share, (low, high) in zip(shares, box, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("landscape")
    parser.add_argument("--moves", type=int, default=500)
    parser.add_argument("--long", type=int, default=10_000)
    given = parser.parse_args()
    with served(given.landscape) as (address, process):
        client = Client(address)
        facts = client.ask("/api/landscape")
        box = facts["box"]
        assert isinstance(box, list)
        points = list(path(box, given.moves + given.long))
        for point in points[:10]:
            client.move(point)
        before = worked(process)
        seconds = np.array([client.move(point) for point in points[: given.moves]])
        p50, p95 = (1000 * float(np.quantile(seconds, share)) for share in (0.5, 0.95))
        print(f"{given.moves} moves: p50 {p50:.1f} ms, p95 {p95:.1f} ms, {1 / seconds.mean():.1f} a second")
        print(
            f"processor time of the server: {1000 * (worked(process) - before) / given.moves:.1f} ms a move", flush=True
        )
        for number, point in enumerate(points[given.moves :]):
            if number % EVERY == 0:
                print(f"after {given.moves + number} moves: {process.memory_info().rss / 2**20:.0f} MB", flush=True)
            client.move(point)
        print(f"after {len(points)} moves: {process.memory_info().rss / 2**20:.0f} MB")


if __name__ == "__main__":
    main()
