"""Progress bars and notes of the libraries underneath, kept off the screen for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Show no bars and notes of `datasets` and `transformers` in this block; afterwards all is as it was."""
    import datasets  # here, because not all that imports this needs them
    from transformers.utils import logging

    loggers = (logging, datasets.utils.logging)
    levels = [logger.get_verbosity() for logger in loggers]
    bars = (
        (datasets.are_progress_bars_disabled(), datasets.disable_progress_bars, datasets.enable_progress_bars),
        (not logging.is_progress_bar_enabled(), logging.disable_progress_bar, logging.enable_progress_bar),
    )
    for logger in loggers:
        logger.set_verbosity_error()
    for hidden, hide, _ in bars:
        if not hidden:
            hide()
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.set_verbosity(level)
        for hidden, _, show in bars:
            if not hidden:
                show()
