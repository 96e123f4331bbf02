"""Another source's picture, drawn, read back and sent to a live process by OBS itself: no Python runs a frame.

A mix is a view of the source, of its own size, that libobs draws beside the canvas, as it does for the virtual camera.
A sending is an output of OBS's own kind "ffmpeg_output" that sends what a mix draws to a port of this computer; see
cvmatte_core/live/obs_frames.py for what it says there. While one runs, OBS's video settings can't be changed.

On the session's thread alone: much of this waits for OBS's graphics lock.
"""

from __future__ import annotations

import ctypes
import time

from . import libobs
from .signals import Signal

_KIND = b"ffmpeg_output"
_RAWVIDEO = 13  # AV_CODEC_ID_RAWVIDEO
# Of enum video_format, video_colorspace, video_range_type, obs_scale_type. Of another colour space OBS's video thread
# would make BT.709 for ffmpeg_output, which asks for nothing: that costs time, and isn't what was asked for.
_NV12, _BT709, _LIMITED, _AREA = 2, 2, 1, 5
_TIMEOUT = 500_000  # microseconds without progress after which FFmpeg gives up: until then OBS keeps what it can't send
# FFmpeg heeds http_proxy, also for this computer's own addresses.
_MUXER_SETTINGS = f"chunked_post=0 http_proxy=none timeout={_TIMEOUT} flush_packets=1"
_FRAMES_OLD = 1.5  # of OBS's frames: how long ago one was drawn when it is sent, since it is read back with the next
_BEGINNING_SECONDS = 0.1  # that a sending takes at least: it counts as active a moment before it is ready to be ended
_CONNECT_SECONDS = 2.0  # that a sending takes at most to begin or to fail
_NOTICING_SECONDS = 2.0  # until a sending notices that nobody reads any more
_ENDING_SECONDS = 1.0  # from the signal of a sending that ended by itself until its threads are gone

# Called by libobs, with the mix's video and the signal's data, between the moment from which an output takes no more
# frames and that in which ffmpeg_output frees what it copies a frame into. It looks for an input that there isn't; to
# do so it waits until the video thread has handed out the frame at hand. Without that OBS could crash.
_WAIT_FOR_FRAME = libobs.address("video_output_disconnect")


def size_for(width: int, height: int, longest: int) -> tuple[int, int]:
    """In what size a source's picture is drawn and sent, whose longer side may have so many pixels: as the live process
    reduces one, so that it is the same before and after OBS sends another size."""
    share = min(1.0, longest / max(width, height))
    return max(1, round(width * share)), max(1, round(height * share))


class Mix:
    """One source's picture in one size, for as many sendings as there are. The source counts as showing meanwhile."""

    def __init__(self, source: int, base: tuple[int, int], size: tuple[int, int]) -> None:
        """base: the source's own size. Raises OSError where OBS makes none."""
        self.base, self.size = base, size
        self.frame = -(-size[0] // 4) * 4, -(-size[1] // 2) * 2  # NV12 wants whole fours: what is more is black
        self._users = 0
        info = libobs.VideoInfo()
        if not libobs.obs_get_video_info(ctypes.byref(info)):
            raise OSError("OBS has no video")
        info.base_width, info.base_height = (
            whole * drawn // shown for whole, drawn, shown in zip(base, self.frame, size)
        )
        info.output_width, info.output_height = self.frame
        info.output_format, info.colorspace, info.range = _NV12, _BT709, _LIMITED
        info.gpu_conversion, info.scale_type = True, _AREA
        self.rate = info.fps_num / (info.fps_den or 1)
        self._view = libobs.obs_view_create()
        self.show(source)
        self.video = libobs.obs_view_add2(self._view, ctypes.byref(info))
        if not self.video:
            self._destroy()
            raise OSError("OBS made no view")

    @property
    def is_used(self) -> bool:
        return self._users > 0

    def show(self, source: int | None) -> None:
        libobs.obs_view_set_source(self._view, 0, source)

    def shows(self, source: int) -> bool:
        """Whether it is still that source's: libobs takes one that was removed out of its views."""
        shown = libobs.obs_view_get_source(self._view, 0)
        libobs.obs_source_release(shown)
        return bool(shown == source)

    def use(self) -> None:
        self._users += 1

    def let_go(self) -> None:
        """Of a user who has no more use of it; the last one's ends it."""
        self._users -= 1
        if not self._users:
            libobs.obs_view_remove(self._view)
            self._destroy()

    def _destroy(self) -> None:
        self.show(None)
        libobs.obs_view_destroy(self._view)


class Sending:
    """A mix's frames on their way to one address, until one end is closed. It must be let go of, however it went.

    ffmpeg_output frees what it has twice where it is stopped in the moment in which it ends by itself: so `stop` is for
    one whose process still reads. Of one whose process has hung up, only its own end is waited for.
    """

    def __init__(self, mix: Mix, name: str, address: str) -> None:
        self.mix = mix
        mix.use()
        settings = libobs.obs_data_create()
        (width, height), picture = mix.frame, "x".join(map(str, mix.size))
        url = f"{address}/{width}x{height}/{1000 * _FRAMES_OLD / mix.rate:.0f}/{picture}"
        for key, value in ((b"url", url), (b"format_name", "rawvideo"), (b"muxer_settings", _MUXER_SETTINGS)):
            libobs.obs_data_set_string(settings, key, value.encode())
        libobs.obs_data_set_string(settings, b"video_encoder", b"rawvideo")
        libobs.obs_data_set_int(settings, b"video_encoder_id", _RAWVIDEO)
        self._output = libobs.obs_output_create(_KIND, libobs.utf8(name), settings, None)
        libobs.obs_data_release(settings)
        handler = libobs.obs_output_get_signal_handler(self._output)
        libobs.signal_handler_connect(handler, b"stop", _WAIT_FOR_FRAME, mix.video)
        self._stopped = Signal()
        self._stopped.connect(handler, b"stop")
        self._stopped_at: float | None = None
        self._hung_up_at = float("inf")
        libobs.obs_output_set_media(self._output, mix.video, libobs.obs_get_audio())
        libobs.obs_output_set_mixers(self._output, 0)
        libobs.obs_output_set_reconnect_settings(self._output, 0, 0)
        self.begun = time.monotonic()
        if not libobs.obs_output_start(self._output):
            self._stopped_at = self.begun - _ENDING_SECONDS

    @property
    def is_over(self) -> bool:
        """Whether it has ended by itself: the process is gone or hangs, or it never began."""
        if self._stopped_at is None and self._stopped.happened():
            self._stopped_at = time.monotonic()
        return self._stopped_at is not None

    @property
    def behind(self) -> float:
        """Frames that OBS has taken and not yet sent: it keeps them all."""
        width, height = self.mix.frame
        sent = libobs.obs_output_get_total_bytes(self._output) / (width * height * 3 / 2)
        return max(0.0, libobs.obs_output_get_total_frames(self._output) - sent)

    def stop(self) -> None:
        """Send nothing more to a process that reads. It waits for the frame at hand."""
        while not self.is_over and self._is_beginning():  # to end it then would leave it half begun
            time.sleep(0.005)
        if not self.is_over:
            libobs.obs_output_stop(self._output)
            self._stopped_at = time.monotonic() - _ENDING_SECONDS  # its threads have ended

    def _is_beginning(self) -> bool:
        since = time.monotonic() - self.begun
        return since < _BEGINNING_SECONDS or (since < _CONNECT_SECONDS and not libobs.obs_output_active(self._output))

    def hung_up(self) -> None:
        """Its process reads no more."""
        self._hung_up_at = time.monotonic()

    def release(self) -> bool:
        """Let go of it, as soon as it has ended and its threads are gone; whether that is so."""
        now = time.monotonic()
        if not self.is_over and now - self._hung_up_at > _NOTICING_SECONDS:
            self.stop()
        if self._stopped_at is None or now - self._stopped_at < _ENDING_SECONDS:
            return False
        libobs.obs_output_release(self._output)
        self._stopped.close()
        self.mix.let_go()
        return True
