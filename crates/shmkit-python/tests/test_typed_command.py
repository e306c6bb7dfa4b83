"""What the command `shmkit` shows of segments that Python has made."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from typed_peer import INIT, State, built


def shown(*arguments: str) -> str:
    program = built("--package", "shmkit-cli", "--bin", "shmkit")
    environment = os.environ | {"NO_COLOR": "1"}
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=60, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_info_shows_the_type_and_who_holds_which_lock(key: str) -> None:
    with State.open_or_init(key, INIT) as state:
        state.set_label("the tests")
        with state.frames.lock():
            text = shown("info", key)
            assert "State" in text and f"{State.layout_hash():016x}" in text
            assert str(os.getpid()) in text and "the tests" in text and "frames" in text
            found: dict[str, Any] = json.loads(shown("info", key, "--json"))
            assert str(os.getpid()) in json.dumps(found)


def test_dump_shows_the_fields_by_their_names(key: str) -> None:
    with State.open_or_init(key, INIT) as state:
        with state.log.lock() as held:
            held.value.append(513)
        text = shown("dump", key, "--decode")
        for line in (
            "name", "camera ä", "samples[1]", "0.5", "corners[1].y", "4.5", "mode", "On", "is_on", "true",
            "frames.data", "log.data[0]", "513", "hits", "-5",
        ):  # fmt: skip
            assert line in text, text
