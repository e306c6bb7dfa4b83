"""What the documents tell people to write works."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from children import LONG

ROOT = Path(__file__).parents[3]
DOCUMENTS = ["README.md", "crates/shmkit-python/README.md", "docs/PYTHON.md"]


def examples(document: str) -> list[str]:
    text = (ROOT / document).read_text()
    return re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_examples_run(document: str, key: str, tmp_path: Path) -> None:
    found = examples(document)
    assert found
    # One after the other, as they are read; a file, as children import it anew.
    script = tmp_path / "examples.py"
    script.write_text("\n".join(found).replace("cam0", key))
    command = [sys.executable, "-W", "error", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONG * 3)
    assert done.returncode == 0, done.stderr
    assert not done.stderr


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_the_documents_link_to_is_there(document: str) -> None:
    place = ROOT / document
    for link in re.findall(r"\]\(([^)#:]+)\)", place.read_text()):
        assert (place.parent / link).exists(), link
