"""The flat packages are ours alone."""

from __future__ import annotations

from importlib.metadata import packages_distributions

import pytest

OURS = ("api", "dispatch", "engine", "reducers", "store", "watcher")


@pytest.mark.parametrize("package", OURS)
def test_no_other_distribution_owns_a_package_name_of_ours(package: str) -> None:
    assert set(packages_distributions().get(package, [])) <= {"clew-engine"}
