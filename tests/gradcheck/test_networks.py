"""Every network we have, emitted in every notation and compared with numeric gradients."""

from __future__ import annotations

from pathlib import Path

import pytest

from symbackprop import api, gallery, notation

DATA = Path(__file__).resolve().parents[1] / "data" / "networks"
NETWORKS = {path.stem: path for path in sorted(DATA.glob("*.toml"))} | {n: gallery.path(n) for n in gallery.names()}


def checked(name, preset=None, seed=0):
    derived = api.derive(str(NETWORKS[name]), preset, relay=preset is not None)
    return derived.check(seed=seed)


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_of_every_network_agree(name):
    report = checked(name)
    assert report.passed, str(report)
    assert report.largest < 1e-9
    assert {row.parameter for row in report.rows} == set(api.load(str(NETWORKS[name])).parameters)


@pytest.mark.slow
@pytest.mark.parametrize("preset", notation.names())
@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_agree_in_every_notation(name, preset):
    report = checked(name, preset, seed=1)
    assert report.passed, str(report)
