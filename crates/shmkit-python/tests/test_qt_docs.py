"""The examples of ``docs/PYTHON-QT.md`` run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

DOCUMENT = Path(__file__).parents[3] / "docs" / "PYTHON-QT.md"


def test_the_examples_run_and_leave_nothing(key: str, tmp_path: Path) -> None:
    parts = DOCUMENT.read_text().split("```python\n")[1:]
    assert len(parts) == 5
    code = "".join(part.partition("```")[0] for part in parts).replace("shmkit-docs", key)
    folders = {"TMPDIR": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env=os.environ | folders)
    assert list(tmp_path.iterdir()) == []


def test_the_import_needs_no_qt() -> None:
    code = (
        "import sys, shmkit.qt, shmkit.qt.pyside6\n"
        "assert not [name for name in sys.modules if name.startswith(('PyQt', 'PySide', 'numpy'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
