"""The life of one portrait: what it is to show, what is under way, what it shows, and what it therefore says.

Plain Python: no libobs, no thread, no file, no clock. Whatever happens to a portrait is a method here, a generator: it
yields what is to be done, one action after the other, and is sent the answer of those that have one. portrait.py does
these things in OBS; tests/core/test_photo_lifecycle.py does them in a made-up world, in thousands of orders.

Nothing sets what a portrait says: it follows from the rest. "Ready" takes a layer that was handed to OBS, and whose
request is what the settings ask for now.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generator, Union

from cvmatte_core.layers.store import LayerRecord, LayerStore
from cvmatte_core.localization.errors import Cancelled, CvmatteError, ImageError, OutputError
from cvmatte_core.localization.notes import Note
from cvmatte_core.settings import MatteSettings

from .file_watch import GONE, State

_TRIES = 3  # to make a layer that OBS can read, before that is told to the person
_FROM_START = ("load", "network")  # stages that show in an open dialog as soon as they begin


@dataclass(frozen=True)
class Request:
    """A layer that a portrait is to show. burst: the frame files of a still that was just taken."""

    image: str
    settings: MatteSettings
    burst: tuple[Path, ...] = ()

    @property
    def key(self) -> str:
        return LayerStore.key(self.image, self.settings)


@dataclass(eq=False)
class MatteJob:
    """A request on its way through the worker. serves: whether its layer is still the one that is wanted."""

    request: Request
    photo: State | None  # as last seen on disk when it began
    number: int = 0  # the worker client's; whoever submits it sets it
    serves: bool = True
    cancelled: bool = False
    made_layer: bool = False
    shows: bool = False  # its layer is in OBS
    stage: str = "waiting"
    done: int = 0
    total: int = 1
    trouble: CvmatteError | None = None  # why it is being tried once more


@dataclass(frozen=True)
class Says:
    """What a portrait says: a text's key and values, or an error. beside: the key of what is said beside an error,
    about the layer on screen.

    notes: see matter.Matte. outdated: see TouchUps.is_outdated.
    """

    key: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    error: CvmatteError | None = None
    beside: str = ""
    notes: tuple[Note, ...] = ()
    outdated: bool = False


# What is to be done


@dataclass(frozen=True)
class Look:
    """Look for the layer that is kept of a request. Answer: its record, or None."""

    request: Request


@dataclass(frozen=True)
class LookBack:
    """Look for the layer that the portrait showed before this life. Answer: its record, or None."""


@dataclass(frozen=True)
class Show:
    """Hand a layer to OBS, if it is of this photo. Answer: whether that could be done."""

    key: str
    made_from: State


@dataclass(frozen=True)
class Hide:
    """Leave the source without a picture."""


@dataclass(frozen=True)
class Submit:
    job: MatteJob


@dataclass(frozen=True)
class Cancel:
    job: MatteJob


@dataclass(frozen=True)
class LookAgain:
    """Have the photo's state on disk told anew, though it may be the same as before."""

    image: str


@dataclass(frozen=True)
class KeepStill:
    """Put a still into the portrait's settings. Answer: whether it was taken, that is, whether its file is there."""

    image: str


@dataclass(frozen=True)
class Discard:
    """Remove frame files that nothing will be made from."""

    burst: tuple[Path, ...]


@dataclass(frozen=True)
class Reconsider:
    """What the portrait was to show can't be made, as the error says: ask for what its settings say."""

    error: CvmatteError


@dataclass(frozen=True)
class Refresh:
    """Have an open properties dialog redrawn."""


Action = Union[Look, LookBack, Show, Hide, Submit, Cancel, LookAgain, KeepStill, Discard, Reconsider, Refresh]
Course = Generator[Action, Any, None]
Answered = Generator[Action, Any, bool]


class PhotoLifecycle:
    """One portrait's. Nothing else may happen to it between an action and its answer."""

    def __init__(self) -> None:
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
        self._still_trouble: CvmatteError | None = None
        self._notes: tuple[Note, ...] = ()
        self._outdated = False
        self._tries = 0
        self._on_disk: State | None = None  # of the wish's photo, as last told
        self._settled_for: State | None = None  # the photo that the layer, or the error, is of

    @property
    def says(self) -> Says:
        if self._still is not None:
            return self._still
        if self._still_trouble is not None:
            return self._error(self._still_trouble)
        if self.job is not None and self._owed:
            return self._says_of(self.job)
        if self._trouble is not None:
            return self._error(self._trouble, self._unsaved)
        if self.wish is None:
            return Says(self._nothing)
        record = self.record
        assert record is not None and record.key == self.shown == self.wish.key
        if self._on_disk == GONE:
            return Says("state.photo_gone", {"name": Path(self.wish.image).name}, notes=self._notes)
        width, height = record.size
        values = {"width": width, "height": height, "seconds": f"{record.seconds:.1f}"}
        return Says("state.ready", values, notes=self._notes, outdated=self._outdated)

    def _says_of(self, job: MatteJob) -> Says:
        if job.trouble is not None:
            return self._error(job.trouble)
        return Says(f"state.{job.stage}", {"done": job.done, "total": job.total})

    def _error(self, error: CvmatteError, unsaved: bool = False) -> Says:
        on_screen = "state.unsaved" if unsaved else "state.kept"
        return Says(error=error, beside=on_screen if self.shown is not None else "")

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

    def wants(self, request: Request, again: bool = False, on_disk: State | None = None) -> Course:
        """again: not as it is kept. on_disk: what is known of its photo."""
        if self.wish is None or self.wish.image != request.image:
            self._on_disk, self._settled_for = on_disk, None
        same = self.wish is not None and self.wish.key == request.key
        self.wish, self._nothing, self._still_trouble = request, "", None
        yield from self._seek(fresh=again or (same and self._owed and self._fresh))

    def wants_nothing(self, why: str) -> Course:
        """why: the text that says it."""
        self._wish_for_none(why, None)
        yield from self._give_up_job()
        yield Hide()
        self.shown = self.record = None
        yield Refresh()

    def wants_the_impossible(self, error: CvmatteError) -> Course:
        self._wish_for_none("", error)
        yield from self._give_up_job()
        yield from self._look_back()
        yield Refresh()

    def _wish_for_none(self, why: str, error: CvmatteError | None) -> None:
        self.wish, self._owed, self._fresh, self._nothing = None, False, False, why
        self._trouble, self._unsaved, self._still_trouble = error, False, None

    def _seek(self, fresh: bool) -> Course:
        """Bring what is wished for on screen: as it is kept, or through the worker."""
        assert self.wish is not None
        self._owed, self._fresh, self._trouble, self._tries = True, fresh, None, 0
        if self.job is not None:
            self.job.serves = self.job.request.key == self.wish.key and not fresh
            if self.job.serves:
                return
        if not fresh and (yield from self._show_kept(self.wish)):
            yield from self._give_up_job()
        else:
            yield from self._look_back()
            yield from self._pursue()

    def _show_kept(self, wish: Request) -> Answered:
        """Says whether nothing more is to be done."""
        record = yield Look(wish)
        if record is None or record.key != wish.key:
            return False
        if self._has_changed(record.made_from):
            # Its former layer beats an empty source until the new one is there.
            if self.shown is None:
                yield from self._show(record.key, record.made_from)
            return False
        if not (yield from self._show(record.key, record.made_from)):
            return False
        self._settle(record, (), False)
        yield Refresh()
        return True

    def _look_back(self) -> Course:
        """What it showed when OBS ended beats an empty source, whatever becomes of what is asked for."""
        if self.shown is None:
            record = yield LookBack()
            if record is not None and (yield from self._show(record.key, record.made_from)):
                self.record = record

    def _show(self, key: str, made_from: State) -> Answered:
        was_shown = bool((yield Show(key, made_from)))
        if was_shown:
            self.shown, self._shown_of = key, made_from
        return was_shown

    def _settle(self, record: LayerRecord, notes: tuple[Note, ...], outdated: bool) -> None:
        self._outdated = outdated
        self.record, self._notes, self._owed, self._trouble, self._tries = record, notes, False, None, 0
        self._settled_for = record.made_from

    def _pursue(self) -> Course:
        """See to it that a job serves what is owed.

        One whose layer is made has only its file to come, and one of another photo is of no use. But a slider on the
        move waits for the layer under way: else nothing would be seen before it rests. And a still is taken first.
        """
        if not self._owed or self.wish is None:
            return
        job = self.job
        if job is None:
            self.job, self._fresh = MatteJob(self.wish, self._on_disk), False
            yield Submit(self.job)
            return
        of_no_use = job.made_layer or (not job.request.burst and job.request.image != self.wish.image)
        if of_no_use and not job.cancelled:
            job.cancelled = True
            yield Cancel(job)

    def _give_up_job(self, even_a_still: bool = False) -> Course:
        job = self.job
        if job is None:
            return
        job.serves = False
        if even_a_still or not job.request.burst:
            self.job = None
            yield Cancel(job)

    # What the worker answers

    def goes_on(self, job: MatteJob, stage: str, done: int, total: int) -> Course:
        if job is not self.job:
            return
        job.stage, job.done, job.total, job.trouble = stage, done, total, None
        if stage in _FROM_START and done == 0:
            # Once, since the two come together unless loading takes long: every redraw takes the focus from what a
            # person touches.
            yield Refresh()

    def made_layer(self, job: MatteJob, key: str, made_from: State) -> Course:
        if job is not self.job:
            return
        job.stage, job.made_layer, job.trouble = "finishing", True, None
        if self._owed and self.wish is not None and job.request.image == self.wish.image:
            job.shows = yield from self._show(key, made_from)
        if job.request.burst:
            yield KeepStill(job.request.image)
        if not job.serves:
            yield from self._pursue()

    def is_tried_again(self, job: MatteJob, error: CvmatteError) -> Course:
        if job is self.job:
            job.made_layer, job.shows, job.trouble = False, False, error
            yield Refresh()

    def is_done(self, job: MatteJob, record: LayerRecord, notes: tuple[Note, ...], outdated: bool = False) -> Course:
        if job is not self.job:
            return
        self.job = None
        if job.request.burst:
            yield KeepStill(job.request.image)
        if job.serves and self.wish is not None:
            if record.key == self.shown == self.wish.key and record.made_from == self._shown_of:
                self._settle(record, notes, outdated)
                yield Refresh()
            else:  # its frame could not be read: it may have been tidied away, or the drive is in trouble
                self._tries += 1
                if self._tries >= _TRIES:
                    yield from self._fail(job, OutputError("layer_unreadable"))
        yield from self._go_on(job)

    def has_failed(self, job: MatteJob, error: CvmatteError) -> Course:
        if job is not self.job:
            return
        self.job = None
        taken = True
        if job.request.burst:
            taken = bool((yield KeepStill(job.request.image)))
        if not taken:
            yield Discard(job.request.burst)
        if not taken and self.wish is not None and self.wish.image == job.request.image:
            # Nothing came of the still, so nothing can be made from it.
            changed_meanwhile = not job.serves
            self._wish_for_none("", error)
            yield Refresh()
            if changed_meanwhile:
                yield Reconsider(error)
            return
        if job.serves and self.wish is not None and not isinstance(error, Cancelled):
            yield from self._fail(job, error, unsaved=job.shows)
        yield from self._go_on(job)

    def _fail(self, job: MatteJob, error: CvmatteError, unsaved: bool = False) -> Course:
        self._owed, self._trouble, self._unsaved, self._settled_for = False, error, unsaved, job.photo
        if job.photo is None and not isinstance(error, ImageError):
            self._settled_for = self._on_disk  # not tried again because it was seen for the first time meanwhile
        if error.key == "image_missing":  # when it is there it is cut out, though it may be the same as before
            self._on_disk = self._settled_for = None
            yield LookAgain(job.request.image)
        yield Refresh()

    def _go_on(self, job: MatteJob) -> Course:
        """A job has ended."""
        if self._owed:
            yield from self._pursue()
        elif self.wish is not None and self._has_changed(self._settled_for):
            if job.request.image == self.wish.image and job.photo == self._on_disk:
                # The worker met another photo than was seen before and since: who is right, another look tells.
                self._on_disk = None
                yield LookAgain(self.wish.image)
            else:
                yield from self._renew()

    # The photo on disk

    def is_painted(self) -> Course:
        """The photo's touch-up has changed."""
        if self.wish is not None:
            yield from self._seek(fresh=True)

    def photo_is(self, image: str, state: State) -> Course:
        """What is on disk at a path is new, or is told anew."""
        if self.wish is None or self.wish.image != image:
            return
        before, self._on_disk = self._on_disk, state
        if GONE in (before, state):
            yield Refresh()
        if self.job is None and self._has_changed(self._settled_for):  # else looked at when that ends
            yield from self._renew()

    def _has_changed(self, before: State | None) -> bool:
        return self._on_disk not in (None, GONE, before)

    def _renew(self) -> Course:
        """Make the layer of the photo that is on disk now. Where none is known of before, it may be kept."""
        fresh, self._settled_for = self._settled_for is not None, self._on_disk
        yield from self._seek(fresh)

    # Stills

    def counts_down(self, seconds: int) -> Course:
        self._still, self._still_trouble = Says("state.countdown", {"seconds": seconds}), None
        yield Refresh()

    def takes_still(self) -> Course:
        self._still, self._still_trouble = Says("state.capture"), None
        yield from ()

    def gives_up_still(self) -> None:
        self._still = None

    def still_failed(self, error: CvmatteError) -> Course:
        self._still, self._still_trouble = None, error
        yield Refresh()

    def still_taken(self, request: Request) -> Course:
        self._still = None
        yield from self._give_up_job(even_a_still=True)
        yield from self.wants(request, again=True)

    def ends(self) -> Course:
        """The source is gone."""
        self._still = None
        self._wish_for_none("", None)
        yield from self._give_up_job(even_a_still=True)
