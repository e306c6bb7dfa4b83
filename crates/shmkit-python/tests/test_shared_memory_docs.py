"""Every example of the documents about arrays and `shmkit.shared_memory` runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def examples() -> list[tuple[str, str]]:
    found = []
    for name in ("PYTHON-SHARED-MEMORY.md", "PYTHON-ARRAYS.md"):
        path = ROOT / "docs" / name
        text = path.read_text() if path.exists() else ""
        blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        found += [(f"{name}-{number}", block) for number, block in enumerate(blocks)]
    return found


@pytest.mark.parametrize("code", [code for _, code in examples()], ids=[name for name, _ in examples()])
def test_example(code: str, key: str, tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    program = tmp_path / "example.py"
    program.write_text(code.replace("shmkit-docs", key))
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
