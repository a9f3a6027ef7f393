"""Here downloads are tested, against servers on loopback."""

import pytest


@pytest.fixture(autouse=True)
def _may_download(monkeypatch):
    monkeypatch.delenv("CNNLAB_OFFLINE")
