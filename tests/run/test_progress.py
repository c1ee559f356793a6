"""What a training says of itself as it goes on, and how it is stopped."""

import signal

import pytest

from huashi.run import interruptible


def test_interrupt_is_noted_first_and_obeyed_second():
    with interruptible() as interrupted:
        assert not interrupted()
        signal.raise_signal(signal.SIGINT)
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
