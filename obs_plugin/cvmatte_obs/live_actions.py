"""What passes between a live picture's life and what does in OBS what follows from it; see live_lifecycle.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from cvmatte_core.localization.errors import CvmatteError


@dataclass(frozen=True)
class Wish:
    """What is to be shown, and how.

    source: as live.capture.LiveSource. settings: of MatteSettings, resolved. limit: percent of the processor that it
    may take. device: of devices.DEVICES; empty for what OBS's own environment says. zones: see matting/zones.py. room:
    the path of a photo of the empty room; empty without one.
    """

    source: dict[str, Any]
    settings: dict[str, Any]
    rate: int
    limit: int
    device: str
    zones: str = ""
    room: str = ""


class LiveActions(Protocol):
    """What is to be done."""

    def begin(self) -> None:
        """Have a process, started again whenever it dies, whose frames are shown."""

    def order(self, orders: dict[str, Any]) -> None:
        """Tell the process what is wanted from now on; see live/process.py."""

    def end(self) -> None:
        """End the process, and leave the source without a picture. Nothing more of it is shown or heard."""

    def hide(self) -> None:
        """Leave the source without a picture, and show no frame as long as `is_blank`."""

    def use_still(self, path: str) -> None:
        """Have the portrait show a still that was taken, cut out in full quality, in place of the live picture."""

    def paint_zones(self, path: str) -> None:
        """Open the page for zones on a still that was taken."""

    def keep_room(self, path: str) -> None:
        """A photo of the empty room was saved there, to be used from now on."""

    def tell(self, error: CvmatteError) -> None:
        """Tell why no still was taken, no page opened, or no room photographed."""

    def refresh(self) -> None:
        """Have an open properties dialog redrawn."""
