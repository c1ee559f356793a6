import pytest


@pytest.fixture
def long_rows(monkeypatch):
    """No row of entmax fits registers, for the rest of a test."""
    from huashi.entmax.gpu import mappings as gpu

    monkeypatch.setattr(gpu, "MOST", dict.fromkeys(gpu.MOST, 0))
    monkeypatch.setattr(gpu, "MOST_BACKWARD", 0)
    monkeypatch.setattr(gpu, "TILE", 32)
