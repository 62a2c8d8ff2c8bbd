"""The keys of stored secrets: a file, what it encrypts, and what cannot be read."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from ledger.encryption.keys import MARK, KeyFileError, Keys, UnreadableError

ADDRESS = "https://hooks.example/secret-path/ä"
KEY = Fernet.generate_key().decode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def keys(path: Path) -> Keys:
    Keys(path).create()
    return Keys(path)


def test_replicas_that_start_together_get_one_key(path: Path) -> None:
    with ThreadPoolExecutor(8) as replicas:
        created = list(replicas.map(lambda _: Keys(path).create(), range(8)))

    assert 1 == created.count(True)
    assert 1 == len(Keys(path).read())
    assert [path] == list(path.parent.iterdir())
    assert 0o600 == path.stat().st_mode & 0o777


def test_a_value_is_read_at_its_place_and_stored_differently_each_time(keys: Keys) -> None:
    first, second = keys.encrypt(ADDRESS, "channel of 1"), keys.encrypt(ADDRESS, "channel of 1")

    assert ADDRESS == keys.decrypt(first, "channel of 1") == keys.decrypt(second, "channel of 1")
    assert first != second
    assert first.startswith(MARK)
    assert "hooks" not in first


def test_a_value_that_was_moved_or_planted_is_not_read(keys: Keys) -> None:
    stored = keys.encrypt(ADDRESS, "channel of 1")

    with pytest.raises(UnreadableError, match="for another owner"):
        keys.decrypt(stored, "channel of 2")
    for planted in (ADDRESS, "", MARK, stored[:-4], stored.replace("A", "B")):
        with pytest.raises(UnreadableError, match=r"a key that the ledger does not have\. Put that key back"):
            keys.decrypt(planted, "channel of 1")


def test_a_new_key_encrypts_and_the_old_one_still_decrypts(keys: Keys) -> None:
    before = keys.encrypt(ADDRESS, "here")
    keys.add_new()
    new, old = keys.read()
    after = keys.encrypt(ADDRESS, "here")
    keys.replace([new])

    assert ADDRESS == keys.decrypt(after, "here")
    with pytest.raises(UnreadableError):
        keys.decrypt(before, "here")
    keys.replace([new, old])
    assert ADDRESS == keys.decrypt(before, "here")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        ("", "cannot be used: there is none"),
        (f"{KEY}\nshort\n", "cannot be used: line 2 is not a key, 32 bytes in base64"),
        ("schlüssel", "cannot be used"),
    ],
    ids=["no file", "an empty file", "a line that is no key", "a word with an umlaut"],
)
def test_keys_that_cannot_be_used_are_a_sentence_with_the_path(path: Path, content: str | None, said: str) -> None:
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(KeyFileError, match=f"The keys in {path} {said}"):
        Keys(path).encrypt(ADDRESS, "here")
    with pytest.raises(UnreadableError, match=f"{said}.*or enter the secret again"):
        Keys(path).decrypt("fernet x", "here")


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(KeyFileError, match="cannot be written: Not a directory"):
        Keys(tmp_path / "file" / "keys").create()
