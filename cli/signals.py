"""Signals that end a command as Ctrl-C does."""

import signal
from types import FrameType


def stop_on_signals() -> None:
    """Have SIGTERM and SIGHUP end the process as Ctrl-C does, with the status that a shell gives them."""

    def stop(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt(number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, stop)
