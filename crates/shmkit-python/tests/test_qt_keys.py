"""Golden keys: what Qt 6.11.2 made of 171 names, and of 579 texts and more."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shmkit.qt import QNativeIpcKey

GOLDEN = json.loads(
    (Path(__file__).parents[2] / "shmkit" / "testdata" / "qt-keys.json").read_text()
)
CHILD = """
import json, sys
from shmkit.qt import QNativeIpcKey, QSharedMemory, QSystemSemaphore
types = [QNativeIpcKey.Type(number) for number in (81, 256, 257)]
def keys(name):
    for type in types:
        for maker in (QSharedMemory, QSystemSemaphore):
            yield maker.legacyNativeKey(name, type)
            yield maker.platformSafeKey(name, type)
made = [[(key.nativeKey(), key.toString()) for key in keys(name)] for name in json.load(sys.stdin)]
print(json.dumps(made))
"""


def texts(name: str, natives: list[str], special: dict[str, str]) -> list[str]:
    """The text forms: most of them follow from the native key."""

    def text(index: int, native: str) -> str:
        kind = ("systemv", "posix", "windows")[index // 4]
        is_legacy = index % 2 == 0 and native
        return f"{kind}:{native}" + (f"?legacyKey={name}" if is_legacy else "")

    return [special.get(str(index), text(index, native)) for index, native in enumerate(natives)]


@pytest.mark.skipif(os.geteuid() != 0, reason="the golden keys were made by root")
@pytest.mark.parametrize("group", GOLDEN["groups"][:4], ids=lambda group: group["name"])
def test_names_make_the_keys_that_qt_makes(group: dict[str, Any], tmp_path: Path) -> None:
    """The folders of the environment are others here than those of the golden keys."""
    variables = {"TMPDIR": group["temp_dir"], "XDG_RUNTIME_DIR": group["runtime_dir"]}
    environment = {name: value for name, value in os.environ.items() if name not in variables}
    folders = {}
    for variable, folder in variables.items():
        if folder.startswith("/tmp/qtvec/") and not folder.endswith("/runtime-root"):
            folders[folder] = environment[variable] = str(tmp_path / variable)
            (tmp_path / variable).mkdir(mode=0o700)
    child = subprocess.run(
        [sys.executable, "-c", CHILD],
        input=json.dumps([key[0] for key in group["keys"]]),
        env=environment,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )

    def elsewhere(text: str) -> str:
        for golden, ours in folders.items():
            text = re.sub(f"^((?:systemv:)?){re.escape(golden)}(?=/)", rf"\g<1>{ours}", text)
        return text

    for (name, natives, *special), made in zip(group["keys"], json.loads(child.stdout), strict=True):
        assert [native for native, _ in made] == list(map(elsewhere, natives)), name
        golden = texts(name, natives, special[0] if special else {})
        assert [text for _, text in made] == list(map(elsewhere, golden)), name


@pytest.mark.parametrize(("number", "native", "text"), GOLDEN["to_string"])
def test_keys_have_the_text_that_qt_gives_them(number: int, native: str, text: str) -> None:
    key = QNativeIpcKey(native, QNativeIpcKey.Type(number))
    assert key.toString() == text
    assert QNativeIpcKey.fromString(text) == key


@pytest.mark.parametrize(("text", "key"), GOLDEN["from_string"] + GOLDEN["from_string_more"])
def test_texts_are_the_keys_that_qt_reads_in_them(text: str, key: list[Any] | None) -> None:
    ours = QNativeIpcKey.fromString(text)
    assert ours.isValid() == (key is not None)
    if key is not None:
        number, native, back, _ = key
        assert (ours.type().value, ours.nativeKey(), ours.toString()) == (number, native, back)
