"""What the library logs in OBS's own process goes into OBS's log.

Else Python prints it on what it takes for the console, which is OBS's Script Log: that pops up over everything.
"""

from __future__ import annotations

import logging

from . import libobs

_LEVELS = {logging.INFO: libobs.LOG_INFO, logging.WARNING: libobs.LOG_WARNING}


class _ToObs(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        libobs.log(_LEVELS.get(record.levelno, libobs.LOG_ERROR), self.format(record))


def begin() -> None:
    logger = logging.getLogger("cvmatte_core")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    if not logger.handlers:
        logger.addHandler(_ToObs())
