"""How large a live picture may be for the network, so that the rate is kept."""

from __future__ import annotations

# By quality: the smallest and the largest working size, in pixels of the longer side.
_SIDES = {"fast": (192, 384), "balanced": (256, 512), "best": (384, 720)}
_STEP = 1.12  # from a working size to the next
_BUSY, _EASY = 0.92, 0.68  # shares of a frame's time: above the first the size shrinks, below the second it grows
_SETTLING = 12  # frames between two changes of the size, since each makes the network forget a little
_SMOOTHING = 0.15
_OUTLIER = 1.5


class Pace:
    """Finds the working size, in pixels of the network's longer side, at which a rate and a processor limit are kept.

    limit: of all cores' time; at the smallest size, the rate gives way to it. seconds: that a frame takes, smoothed.
    """

    def __init__(self, quality: str, rate: int, limit: float = 1.0, cores: int = 1) -> None:
        self.smallest, self.largest = _SIDES[quality]
        self.side = self.smallest + (self.largest - self.smallest) // 3
        self.seconds = 0.0
        self._processor_seconds = 0.0  # the same, of all cores together
        self._period = 1 / rate
        # Without a limit only the time of a frame counts.
        self._allowed = limit * cores if limit < 1 else float("inf")
        self._load = 0.0  # the part of a frame's time that it takes
        self._since = 0

    @property
    def is_late(self) -> bool:
        """Whether even the smallest size is too large for the rate, or for the limit."""
        return self.side <= self.smallest and self._load > 1

    @property
    def period(self) -> float:
        """Seconds between two frames: longer than the rate's where the limit asks for it."""
        return max(self._period, self._processor_seconds / self._allowed)

    def took(self, seconds: float, processor_seconds: float = 0.0) -> int:
        """Count a frame, and the processor's time since the one before. Returns the working size for the next."""
        self.seconds = _smoothed(self.seconds, seconds)
        self._processor_seconds = _smoothed(self._processor_seconds, processor_seconds)
        self._since += 1
        load = self._load = max(self.seconds, self._processor_seconds / self._allowed) / self._period
        if self._since >= _SETTLING:
            if load > _BUSY and self.side > self.smallest:
                self._change(1 / _STEP)
            elif load < _EASY and self.side < self.largest:
                self._change(_STEP)
        return self.side

    def _change(self, factor: float) -> None:
        before = self.side
        self.side = round(min(self.largest, max(self.smallest, self.side * factor)) / 16) * 16
        for name in ("seconds", "_processor_seconds"):  # about what they will be
            setattr(self, name, getattr(self, name) * (self.side / before) ** 2)
        self._since = 0


def _smoothed(before: float, now: float) -> float:
    """Outliers are clipped: a slow frame was usually delayed by something else."""
    return before + (min(now, _OUTLIER * before) - before) * _SMOOTHING if before else now
