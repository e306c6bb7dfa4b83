"""Other interpreters in the same process are refused, and the main one works on."""

from __future__ import annotations

import pytest

from children import child

RUN = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
number = interpreters.create()
code = '''
try:
    import shmkit
except ImportError as error:
    print("refused:", "interpreter" in str(error), flush=True)
else:
    print("not refused", flush=True)
'''
interpreters.run_string(number, code)
interpreters.destroy(number)
with shmkit.SharedMemory.create(sys.argv[1], 64) as segment, segment.lock():
    try:
        segment.lock(timeout=0)
    except shmkit.TimedOutError:
        say("works")
"""


@pytest.mark.parametrize("first", ["main", "other"])
def test_another_interpreter_is_refused(key: str, first: str) -> None:
    # Whoever comes first must not make what the other one would then use.
    script = RUN if first == "main" else RUN.replace("with shmkit", "import shmkit\nwith shmkit")
    preamble = first == "main"
    with child(script, key, imports=preamble) as program:
        program.expect("refused: True")
        program.expect("works")
        program.finish()
