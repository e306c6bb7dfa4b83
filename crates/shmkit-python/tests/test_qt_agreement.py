"""PyQt6, PySide6 and ``shmkit.qt`` are told the same and answer the same, except for what the table says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from qt_cases import CASES, KIND_CASES, PYSIDE_CASES, expressions
from qt_differences import DIFFERENCES, PYSIDE_DIFFERENCES, Difference
from qt_support import KINDS, OURS, OURS_AS_PYSIDE, PYQT, PYSIDE, Peer, key_folder, sweep

Outcomes = dict[str, list[str]]


@pytest.fixture
def folder(key: str) -> Iterator[Path]:
    yield from key_folder(key)


def outcomes(module: str, lines: list[str], folder: Path) -> list[tuple[str, list[str]]]:
    with Peer(module, folder) as peer:
        answers = [(line, peer.outcome(line)) for line in lines]
        peer.end()
    sweep(folder)
    return answers


def agree(case: str, lines: list[str], folder: Path, *, pyside: bool = False) -> None:
    theirs, ours = (PYSIDE, OURS_AS_PYSIDE) if pyside else (PYQT, OURS)
    known = PYSIDE_DIFFERENCES if pyside else DIFFERENCES
    answers = zip(outcomes(theirs, lines, folder), outcomes(ours, lines, folder), strict=True)
    wrong = []
    for (line, their_answer), (_, our_answer) in answers:
        difference = next((it for it in known if it.is_about(case, line)), None)
        if difference is not None:
            expected = difference.answers(their_answer, our_answer, case, line)
        else:
            expected = their_answer == our_answer
        if not expected:
            wrong.append(f"{line}\n    {theirs}: {their_answer}\n    {ours}: {our_answer}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("case", CASES)
def test_they_agree(case: str, key: str, folder: Path) -> None:
    agree(case, expressions(CASES[case], name=key), folder)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", KIND_CASES)
def test_they_agree_on_every_kind_of_key(case: str, kind: str, key: str, folder: Path) -> None:
    lines = expressions(KIND_CASES[case], name=key, key=KINDS[kind].format(name=key))
    agree(f"{case}, {kind}", lines, folder)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", KIND_CASES)
def test_pyside_agrees_on_every_kind_of_key(case: str, kind: str, key: str, folder: Path) -> None:
    lines = expressions(KIND_CASES[case], name=key, key=KINDS[kind].format(name=key))
    agree(f"{case}, {kind}", lines, folder, pyside=True)


@pytest.mark.parametrize("case", PYSIDE_CASES)
def test_pyside_agrees(case: str, key: str, folder: Path) -> None:
    agree(case, expressions(PYSIDE_CASES[case], name=key), folder, pyside=True)


def test_every_difference_is_one_that_a_case_shows() -> None:
    lines = {
        (f"{case}, {kind}" if kind else case, line)
        for cases, kinds in ((CASES, [""]), (PYSIDE_CASES, [""]), (KIND_CASES, list(KINDS)))
        for case, text in cases.items()
        for kind in kinds
        for line in expressions(text, name="NAME", key="KEY")
    }
    for it in (*DIFFERENCES, *PYSIDE_DIFFERENCES):
        for about in it.lines:
            assert any(it.is_about(case, line) for case, line in lines), about


def test_the_documents_show_every_difference() -> None:
    document = Path(__file__).parents[3] / "docs" / "PYTHON-QT.md"
    text = document.read_text()
    for it in (*DIFFERENCES, *PYSIDE_DIFFERENCES):
        assert it.row() in text, f"docs/PYTHON-QT.md lacks: {it.row()}"
