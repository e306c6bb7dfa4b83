"""The examples of `docs/PYTHON-TYPED.md`, in their order."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

DOCUMENT = Path(__file__).parents[3] / "docs" / "PYTHON-TYPED.md"


def test_the_examples_of_the_documentation_run(key: str, tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(), re.S | re.M)
    assert len(blocks) >= 10
    script = tmp_path / "examples.py"
    script.write_text("\n".join(blocks).replace('"camera-', f'"{key}-'))
    command = [sys.executable, "-X", "dev", "-W", "error", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "one of all the processes does this\n"
    assert not done.stderr
    assert not list(Path("/dev/shm").glob(key + "*"))
