"""Stores are found by their names and chosen by the scheme of an address."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import Invalid
from store import store_at, stores
from store._address import path_of
from store.memory import MemoryStore
from store.sql import SqliteStore


def test_every_public_module_of_the_package_holds_a_store() -> None:
    folder = Path(__import__("store").__file__).parent
    modules = {f"store.{path.stem}" for path in folder.glob("[!_]*.py")}
    assert {kind.__module__ for kind in stores().values()} == modules


def test_an_address_chooses_its_store(tmp_path: Path) -> None:
    assert isinstance(store_at("memory://"), MemoryStore)
    assert isinstance(store_at(f"sqlite:///{tmp_path}/a.db"), SqliteStore)
    assert isinstance(store_at(str(tmp_path / "a.db")), SqliteStore)


def test_an_unknown_scheme_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(Invalid, match=r"known are memory://, sqlite://") as told:
        store_at("oracle://here")
    assert told.value.reason == "store.address"


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("sqlite:///clew.db", "{cwd}/clew.db"),
        ("sqlite:///folder/clew.db", "{cwd}/folder/clew.db"),
        ("sqlite:////srv/clew.db", "/srv/clew.db"),
        ("clew.db", "{cwd}/clew.db"),
        ("/srv/a b#c%20.db", "/srv/a b#c%20.db"),
    ],
)
def test_an_address_names_a_path(address: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert path_of(address) == Path(path.format(cwd=tmp_path))


@pytest.mark.parametrize(
    "address",
    [
        "sqlite://", "sqlite:///", "sqlite://host/x.db", "sqlite:///:memory:", ":memory:", "", "postgresql://h/d",
        "sqlite:///x.db?mode=ro", "a\0b", "sqlite:///{folder}", "{folder}",
    ],
)  # fmt: skip
def test_an_address_that_names_no_file_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid) as told:
        path_of(address.format(folder=tmp_path))
    assert told.value.reason == "store.address"
