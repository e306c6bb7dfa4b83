"""Keys: made, printed, compared, and understood wherever one is wanted."""

from __future__ import annotations

import copy
import pickle

import pytest

import shmkit
from shmkit import Key


def test_a_text_or_a_name_makes_a_key() -> None:
    assert str(Key("cam0")) == "posix:/cam0"
    assert Key("cam0") == Key("posix:/cam0") == Key.platform_safe("cam0")
    assert Key("cam0") != Key("systemv:/cam0")
    for wrong in ["", "/cam0", "posx:/cam0", "posix:/cam?0"]:
        with pytest.raises(shmkit.InvalidKeyError, match="cannot use key"):
            Key(wrong)
    with pytest.raises(ValueError, match="no key type"):
        Key.parse("cam0")


def test_a_key_says_what_it_is() -> None:
    key = Key.parse("posix:/cam0")
    assert (key.type, key.native_key, key.legacy_key) == ("posix", "/cam0", None)
    legacy = Key.legacy("cam0")
    assert legacy.type == "systemv" and legacy.legacy_key == "cam0"
    assert "qipc_sharedmemory_cam" in legacy.native_key
    assert Key.platform_safe("cam0", type="systemv").type == "systemv"
    assert Key.legacy("cam0", type="posix").type == "posix"
    with pytest.raises(ValueError):
        Key.legacy("cam0", type="posx")


def test_keys_are_values() -> None:
    for key in [Key("cam0"), Key.legacy("cam0"), Key.legacy("cam 0/ä")]:
        assert {key: 1}[Key.parse(str(key))] == 1
        assert pickle.loads(pickle.dumps(key)) == key == copy.deepcopy(key)
        assert pickle.loads(pickle.dumps(key)).legacy_key == key.legacy_key
        assert eval(repr(key), {"shmkit": shmkit}) == key
    with pytest.raises(AttributeError):
        Key("cam0").type = "posix"  # type: ignore[misc]


@pytest.mark.parametrize("make", [str, Key, lambda name: str(Key(name))])
def test_a_key_is_understood_in_every_form(key: str, make: object) -> None:
    given = make(key)  # type: ignore[operator]
    with shmkit.SharedMemory.create(given, 64) as segment:
        assert segment.key == Key(key)
        with shmkit.SharedMemory.attach(given), shmkit.SharedMemory.create_or_attach(given, 64):
            pass
    with pytest.raises(TypeError):
        shmkit.SharedMemory.attach(7)  # type: ignore[arg-type]
