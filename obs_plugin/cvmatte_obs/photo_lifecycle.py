"""The life of one portrait: what it is to show, what is under way, what it shows, and what it therefore says.

Plain Python: no libobs, no thread, no file, no clock. Whatever happens to a portrait is a method of PhotoLifecycle.
What is to be done then is one of PhotoActions: photo_view.py does it in OBS, tests/core/test_photo_lifecycle.py in a
made-up world, in thousands of orders.

Nothing sets what a portrait says: it follows from the rest. "Ready" takes a layer that was handed to OBS, and whose
request is what the settings ask for now.
"""

from __future__ import annotations

from pathlib import Path

from cvmatte_core.layers.store import LayerRecord
from cvmatte_core.localization.errors import Cancelled, CvmatteError, ImageError, OutputError
from cvmatte_core.localization.notes import Note

from .file_watch import GONE, State
from .photo_actions import MatteJob, PhotoActions, Request, Says

_TRIES = 3  # to make a layer that OBS can read, before that is told to the person
_FROM_START = ("load", "network")  # stages that show in an open dialog as soon as they begin


class PhotoLifecycle:
    """One portrait's."""

    def __init__(self, actions: PhotoActions) -> None:
        self._do = actions
        self.wish: Request | None = None
        self.job: MatteJob | None = None  # at most one: what a job that was given up answers is not listened to
        self.shown: str | None = None  # the key of the layer in OBS,
        self._shown_of: State | None = None  # and the photo that it is of
        self.record: LayerRecord | None = None  # of the layer that was finished last
        self._owed = False  # the wish has neither its layer nor an error yet: then there is a job
        self._fresh = False  # a kept layer won't do for it
        self._nothing = ""  # what to say where nothing is wished for
        self._trouble: CvmatteError | None = None
        self._unsaved = False  # it came after the layer was shown
        self._still: Says | None = None  # how far a still is that is being taken
        self._counts = False  # a number stands on the layer
        self.still_trouble: CvmatteError | None = None  # why no still, or photo of the room, was taken
        self._ready = Says()  # what to say of the record once it is shown
        self._tries = 0
        self._on_disk: State | None = None  # of the wish's photo, as last told
        self._settled_for: State | None = None  # the photo that the layer, or the error, is of

    @property
    def says(self) -> Says:
        if self._still is not None:
            return self._still
        if self.still_trouble is not None:
            return self._error(self.still_trouble)
        job = self.job
        if job is not None and self._owed:
            values = {"done": job.done, "total": job.total}
            return self._error(job.trouble) if job.trouble is not None else Says(f"state.{job.stage}", values)
        if self._trouble is not None:
            return self._error(self._trouble, self._unsaved)
        if self.wish is None:
            return Says(self._nothing)
        assert self.record is not None and self.record.key == self.shown == self.wish.key
        if self._on_disk == GONE:
            return Says("state.photo_gone", {"name": Path(self.wish.image).name}, notes=self._ready.notes)
        return self._ready

    def _error(self, error: CvmatteError, unsaved: bool = False) -> Says:
        on_screen = "state.unsaved" if unsaved else "state.kept"
        return Says(error=error, beside=on_screen if self.shown is not None else "")

    @property
    def is_under_way(self) -> bool:
        """Whether what it shows or says is to be another by itself: a layer, or a still, is being made."""
        return self._owed or self._still is not None or bool(self.still_under_way)

    @property
    def stand_in(self) -> str | None:
        """The key of the layer to show after a restart in place of what is asked for, which isn't there."""
        is_settled = self.wish is not None and not self._owed and self._trouble is None
        return None if is_settled or self.record is None else self.record.key

    @property
    def still_under_way(self) -> str:
        """The file of a still that is being cut out, and may not be in the portrait's settings yet."""
        return self.job.request.image if self.job is not None and self.job.request.burst else ""

    # What the settings ask for

    def wants(self, request: Request, again: bool = False, on_disk: State | None = None) -> None:
        """again: not as it is kept. on_disk: what is known of its photo."""
        if self.wish is None or self.wish.image != request.image:
            self._on_disk, self._settled_for = on_disk, None
        same = self.wish is not None and self.wish.key == request.key
        self.wish, self._nothing, self.still_trouble = request, "", None
        self._seek(fresh=again or (same and self._owed and self._fresh))

    def wants_nothing(self, why: str) -> None:
        """why: the text that says it."""
        self._wish_for_none(why, None)
        self._give_up_job()
        self._do.hide()
        self.shown = self.record = None
        self._do.refresh()

    def wants_the_impossible(self, error: CvmatteError) -> None:
        self._wish_for_none("", error)
        self._give_up_job()
        self._look_back()
        self._do.refresh()

    def _wish_for_none(self, why: str, error: CvmatteError | None) -> None:
        self.wish, self._owed, self._fresh, self._nothing = None, False, False, why
        self._trouble, self._unsaved, self.still_trouble = error, False, None

    def _seek(self, fresh: bool) -> None:
        """Bring what is wished for on screen: as it is kept, or through the worker."""
        assert self.wish is not None
        self._owed, self._fresh, self._trouble, self._tries = True, fresh, None, 0
        if self.job is not None:
            self.job.serves = self.job.request.key == self.wish.key and not fresh
            if self.job.serves:
                return
        if not fresh and self._show_kept(self.wish):
            self._give_up_job()
        else:
            self._look_back()
            self._pursue()

    def _show_kept(self, wish: Request) -> bool:
        """Says whether nothing more is to be done."""
        record = self._do.find(wish)
        if record is None or record.key != wish.key:
            return False
        if self._has_changed(record.made_from):
            # Its former layer beats an empty source until the new one is there.
            if self.shown is None:
                self._show(record.key, record.made_from)
            return False
        if not self._show(record.key, record.made_from):
            return False
        self._settle(record, (), False)
        self._do.refresh()
        return True

    def _look_back(self) -> None:
        """What it showed when OBS ended beats an empty source, whatever becomes of what is asked for."""
        if self.shown is None:
            record = self._do.look_back()
            if record is not None and self._show(record.key, record.made_from):
                self.record = record

    def _show(self, key: str, made_from: State) -> bool:
        was_shown = self._do.show(key, made_from)
        if was_shown:
            self.shown, self._shown_of = key, made_from
        return was_shown

    def _settle(self, record: LayerRecord, notes: tuple[Note, ...], outdated: bool) -> None:
        width, height = record.size
        values = {"width": width, "height": height, "seconds": f"{record.seconds:.1f}"}
        self._ready = Says("state.ready", values, notes=notes, outdated=outdated)
        self.record, self._settled_for = record, record.made_from
        self._owed, self._trouble, self._tries = False, None, 0

    def _pursue(self) -> None:
        """See to it that a job serves what is owed.

        One whose layer is made has only its file to come, and one of another photo is of no use. But a slider on the
        move waits for the layer under way: else nothing would be seen before it rests. And a still is taken first.
        """
        if not self._owed or self.wish is None:
            return
        job = self.job
        if job is None:
            self.job, self._fresh = MatteJob(self.wish, self._on_disk), False
            self._do.submit(self.job)
            return
        of_no_use = job.made_layer or (not job.request.burst and job.request.image != self.wish.image)
        if of_no_use and not job.cancelled:
            job.cancelled = True
            self._do.cancel(job)

    def _give_up_job(self, even_a_still: bool = False) -> None:
        job = self.job
        if job is None:
            return
        job.serves = False
        if even_a_still or not job.request.burst:
            self.job = None
            self._do.cancel(job)

    # What the worker answers

    def goes_on(self, job: MatteJob, stage: str, done: int, total: int) -> None:
        if job is not self.job:
            return
        job.stage, job.done, job.total, job.trouble = stage, done, total, None
        if stage in _FROM_START and done == 0:
            # Once, since the two come together unless loading takes long: every redraw takes the focus from what a
            # person touches.
            self._do.refresh()

    def made_layer(self, job: MatteJob, key: str, made_from: State) -> None:
        if job is not self.job:
            return
        job.stage, job.made_layer, job.trouble = "finishing", True, None
        if self._owed and self.wish is not None and job.request.image == self.wish.image:
            job.shows = self._show(key, made_from)
        if job.request.burst:
            self._do.keep_still(job.request)
        if not job.serves:
            self._pursue()

    def is_tried_again(self, job: MatteJob, error: CvmatteError) -> None:
        if job is self.job:
            job.made_layer, job.shows, job.trouble = False, False, error
            self._do.refresh()

    def is_done(self, job: MatteJob, record: LayerRecord, notes: tuple[Note, ...], outdated: bool = False) -> bool:
        """Says whether the portrait is to ask for what its settings say now: a still was cut out as it was taken, and
        the room may be another meanwhile.
        """
        if job is not self.job:
            return False
        self.job = None
        if job.request.burst:
            self._do.keep_still(job.request)
        if job.serves and self.wish is not None:
            if record.key == self.shown == self.wish.key and record.made_from == self._shown_of:
                self._settle(record, notes, outdated)
                self._do.refresh()
            else:  # its frame could not be read: it may have been tidied away, or the drive is in trouble
                self._tries += 1
                if self._tries >= _TRIES:
                    self._fail(job, OutputError("layer_unreadable"))
        self._go_on(job)
        return bool(job.request.burst)

    def has_failed(self, job: MatteJob, error: CvmatteError) -> bool:
        """Says whether the portrait is to ask for what its settings say now: what it was to show can't be made, or a
        still is of no use any more; see is_done.
        """
        if job is not self.job:
            return False
        self.job = None
        if job.request.burst and not self._do.keep_still(job.request):
            self._do.discard(job.request.burst)
            if self.wish is not None and self.wish.image == job.request.image:
                # Nothing came of the still, so nothing can be made from it.
                self._wish_for_none("", error)
                self._do.refresh()
                return not job.serves
        if job.serves and self.wish is not None and not isinstance(error, Cancelled):
            self._fail(job, error, unsaved=job.shows)
        self._go_on(job)
        return bool(job.request.burst) and self._trouble is None

    def _fail(self, job: MatteJob, error: CvmatteError, unsaved: bool = False) -> None:
        self._owed, self._trouble, self._unsaved, self._settled_for = False, error, unsaved, job.photo
        if job.photo is None and not isinstance(error, ImageError):
            self._settled_for = self._on_disk  # not tried again because it was seen for the first time meanwhile
        if error.key == "image_missing":  # when it is there it is cut out, though it may be the same as before
            self._on_disk = self._settled_for = None
            self._do.look_again(job.request.image)
        self._do.refresh()

    def _go_on(self, job: MatteJob) -> None:
        """A job has ended."""
        if self._owed:
            self._pursue()
        elif self.wish is not None and self._has_changed(self._settled_for):
            if job.request.image == self.wish.image and job.photo == self._on_disk:
                # The worker met another photo than was seen before and since: who is right, another look tells.
                self._on_disk = None
                self._do.look_again(self.wish.image)
            else:
                self._renew()

    # The photo on disk

    def is_painted(self) -> None:
        """The photo's touch-up has changed."""
        if self.wish is not None:
            self._seek(fresh=True)

    def photo_is(self, image: str, state: State) -> None:
        """What is on disk at a path is new, or is told anew."""
        if self.wish is None or self.wish.image != image:
            return
        before, self._on_disk = self._on_disk, state
        if GONE in (before, state):
            self._do.refresh()
        if self.job is None and self._has_changed(self._settled_for):  # else looked at when that ends
            self._renew()

    def _has_changed(self, before: State | None) -> bool:
        return self._on_disk not in (None, GONE, before)

    def _renew(self) -> None:
        """Make the layer of the photo that is on disk now. Where none is known of before, it may be kept."""
        fresh, self._settled_for = self._settled_for is not None, self._on_disk
        self._seek(fresh)

    # Stills

    def counts_down(self, seconds: int, size: tuple[int, int], for_room: bool = False) -> None:
        """for_room: until a photo of the empty room."""
        key = "state.room_countdown" if for_room else "state.countdown"
        self._still, self.still_trouble = Says(key, {"seconds": seconds}), None
        self._counts = True
        self._do.count(seconds, self.shown, size)
        self._do.refresh()

    def takes_still(self, for_room: bool = False) -> None:
        """From now on no number may be seen: the portrait may be in the scene that the still is taken of."""
        self._still, self.still_trouble = Says("state.room" if for_room else "state.capture"), None
        self._uncover()

    def gives_up_still(self) -> None:
        self._still = None
        self._uncover()

    def still_failed(self, error: CvmatteError) -> None:
        self._still, self.still_trouble = None, error
        self._uncover()
        self._do.refresh()

    def _uncover(self) -> None:
        """Show the layer without a number."""
        if not self._counts:
            return
        self._counts = False
        before, of = self.shown, self._shown_of
        if before is not None and of is not None and self._show(before, of):
            return
        self.shown = None
        self._do.clear()
        if before is not None and self.wish is not None:  # its frame was tidied away meanwhile
            self._seek(fresh=self._owed and self._fresh)

    def still_taken(self, request: Request) -> None:
        self._still = None
        self._give_up_job(even_a_still=True)
        self.wants(request, again=True)

    def ends(self) -> None:
        """The source is gone."""
        self._still, self._counts = None, False
        self._wish_for_none("", None)
        self._give_up_job(even_a_still=True)
