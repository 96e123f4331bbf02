"""What a live portrait's process is asked for; see process.py."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from ..settings import MatteSettings
from ..system import devices

if TYPE_CHECKING:
    from .capture import LiveSource

_SLOWEST, _FASTEST = 1, 60
_LOWEST_LIMIT = 5  # percent


@dataclasses.dataclass(frozen=True)
class Orders:
    """What the portrait wants now."""

    source: LiveSource
    settings: MatteSettings
    rate: int
    limit: float  # the part of all cores' time that it may take, 0..1
    paused: bool
    still: str
    device: str
    zones: str
    room: str
    photograph_room: str
    even_so: bool
    renew_room: str
    countdown: int

    @property
    def basis(self) -> tuple[Any, ...]:
        """What can't be changed while frames are cut out; all else takes effect from the next frame on."""
        chosen = self.settings
        return self.source, self.rate, self.limit, self.paused, self.device, chosen.model, chosen.quality

    @classmethod
    def parse(cls, message: dict[str, Any]) -> Orders:
        """Raises CvmatteError, TypeError, ValueError, KeyError."""
        from .capture import LiveSource

        settings = MatteSettings.from_mapping(message["settings"]).resolved()
        rate = max(_SLOWEST, min(_FASTEST, int(message.get("rate", 30))))
        limit = max(_LOWEST_LIMIT, min(100, int(message.get("limit", 100)))) / 100
        paused, still = bool(message.get("paused")), str(message.get("still", ""))
        device = str(message.get("device", ""))
        if device and device not in devices.DEVICES:
            raise ValueError(f"{device} is no device")
        zones = str(message.get("zones", ""))
        room, photograph_room, renew_room = (
            str(message.get(name, "")) for name in ("room", "photograph_room", "renew_room")
        )
        photo = photograph_room, bool(message.get("even_so")), renew_room, int(message.get("countdown", 0))
        return cls(LiveSource(**message["source"]), settings, rate, limit, paused, still, device, zones, room, *photo)
