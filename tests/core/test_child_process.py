"""A child process and its parent, with little programs that stand for every way to misbehave."""

from __future__ import annotations

import itertools
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from demo.processes import alive
from demo.throwaway_obs import wait_until

from cvmatte_core.child_process import child, messages, parent
from cvmatte_core.child_process.child import Child, Messages, Process, queued
from cvmatte_core.child_process.parent import Beat, Standing
from cvmatte_core.filesystem import paths
from cvmatte_core.localization.errors import WorkerError
from cvmatte_core.system import spawn

SAY = "import json, os, sys, time\ndef say(**message): print(json.dumps(message), flush=True)\n"
BEATS = SAY + "def beat(standing=()): say(beat=list(standing))\n"
ECHOES = SAY + "say(pid=os.getpid())\nfor line in sys.stdin: say(heard=json.loads(line))"
DEAF = SAY + "say(pid=os.getpid()); time.sleep(3600)"


class Kept(Child):
    """A child whose every event is written down."""

    def __init__(self, program: str, silence: float | None = None, **options: Any) -> None:
        command = options.pop("command", [sys.executable, "-u", "-c", program])
        super().__init__("the child", "", command=command, **{"delays": (0.05,), **options})
        self.starts: list[float] = []
        self.deaths = 0
        self.said: list[dict[str, Any]] = []
        self.failures: list[WorkerError] = []
        self.silence, self.holds_start, self.by_chance = silence, threading.Event(), False
        self.holds_start.set()
        self.environment = {"SAYS": "hello"}
        self.passed = 0.0  # seconds, beside those that do
        self._clock = lambda: time.monotonic() + self.passed

    def begin(self) -> Kept:
        self._thread.start()
        return self

    @queued
    def do(self, act: Callable[..., object], *arguments: Any) -> None:
        act(*arguments)

    def send(self, **message: Any) -> None:
        self.do(self._send, message)

    def pass_time(self, seconds: float) -> None:
        """As if so many passed at once; it is looked after then."""
        self.passed += seconds
        looked = threading.Event()
        self.do(self.do, looked.set)
        assert looked.wait(30)

    def ended(self) -> set[int] | None:
        """What the last process was ended for, if it was."""
        return self._hung

    def _longest_silence(self) -> float | None:
        return self.silence

    def _on_start(self) -> None:
        self.starts.append(time.monotonic())
        self.holds_start.wait()

    def _listen(self, process: Process, said: Messages) -> None:
        for message in said:
            self.said.append(message)
            if "beat" in message:
                self._on_beat(message["beat"])

    def _on_death(self) -> None:
        self.deaths += 1
        self._count_death(self.by_chance)

    def _on_no_start(self, error: WorkerError) -> None:
        self.failures.append(error)
        self._count_death()


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CVMATTE_DATA", str(tmp_path))
    return paths.log_file()


@pytest.fixture
def keep(log: Path) -> Iterator[Callable[..., Kept]]:
    kept: list[Kept] = []

    def keep(program: str, **options: Any) -> Kept:
        kept.append(Kept(program, **options))
        return kept[-1]

    yield keep
    for one in kept:
        one.holds_start.set()
        one.close()


Keep = Callable[..., Kept]


# Starts and ends


def test_it_hears_what_is_sent_and_says_what_it_likes(keep: Keep) -> None:
    kept = keep(ECHOES).begin()
    for number in range(3):
        kept.send(number=number, text="ä")
    wait_until(lambda: len(kept.said) == 4)
    assert kept.said == [{"pid": kept.process_id}, *({"heard": {"number": n, "text": "ä"}} for n in range(3))]


@pytest.mark.parametrize(
    "program", ["import sys; sys.exit(3)", "no python at all", "import os; os.close(1); os.abort()"]
)
def test_one_that_dies_at_its_start_is_followed_by_others_ever_later(keep: Keep, program: str) -> None:
    kept = keep(program, delays=(0.05, 0.3, 0.6)).begin()
    wait_until(lambda: len(kept.starts) >= 5)
    rests = [later - before for before, later in itertools.pairwise(kept.starts)]
    assert rests[1] > 0.3 and rests[2] > 0.6 and rests[3] > 0.6  # and the last delay holds from then on


def test_one_that_dies_by_chance_is_followed_by_another_at_once(keep: Keep) -> None:
    kept = keep("import time; time.sleep(0.1)", delays=(0.05, 3600.0))
    kept.by_chance = True
    kept.begin()
    wait_until(lambda: len(kept.starts) >= 4)


def test_one_that_is_killed_is_replaced(keep: Keep) -> None:
    kept = keep(ECHOES).begin()
    wait_until(lambda: len(kept.said) == 1)
    os.kill(kept.said[0]["pid"], signal.SIGKILL)
    wait_until(lambda: len(kept.said) == 2)
    assert kept.deaths == 1 and kept.process_id == kept.said[1]["pid"] != kept.said[0]["pid"]


def test_one_that_is_not_wanted_is_not_started(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = keep(ECHOES)
    monkeypatch.setattr(kept, "_is_wanted", lambda: len(kept.starts) == 1)
    kept.begin()
    time.sleep(0.3)
    assert kept.starts == [] and kept.process_id is None


@pytest.mark.parametrize("python", ["/nonexistent/python", "/a\0b"])
def test_a_program_that_is_missing_is_said(keep: Keep, python: str) -> None:
    kept = keep("", command=[python]).begin()
    wait_until(lambda: len(kept.failures) >= 3)
    assert {failure.key for failure in kept.failures} == {"worker_missing"}


def test_where_nothing_can_be_started_nothing_is(keep: Keep) -> None:
    kept = keep(ECHOES)
    kept.refusal = WorkerError("worker_in_sandbox", sandbox="Snap")
    kept.begin()
    wait_until(lambda: kept.failures != [])
    assert kept.failures[0] is kept.refusal and kept.starts == []


# What it says that it should not, or doesn't say


def test_rubbish_is_kept_for_the_log_and_passed_over(keep: Keep, caplog: pytest.LogCaptureFixture) -> None:
    rubbish = """for line in b"nonsense", b"[]", b"\\xff\\0", b"[" * 100_000, b"x" * 5_000_000:
    sys.stdout.buffer.write(line + b"\\n")
sys.stdout.flush()"""
    kept = keep(f"{SAY}{rubbish}\nsay(last=1); time.sleep(3600)").begin()
    wait_until(lambda: kept.said == [{"last": 1}])
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 5 and "nonsense" in told[0] and max(map(len, told)) < 1000


def test_a_line_without_an_end_is_no_more_than_its_limit(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cvmatte_core.child_process.messages.LONGEST_LINE", 1000)
    kept = keep(f"{SAY}os.write(1, b'x' * 2_500 + b'\\n'); say(last=1); time.sleep(3600)").begin()
    wait_until(lambda: kept.said == [{"last": 1}])


def test_one_that_is_silent_is_replaced(keep: Keep) -> None:
    kept = keep(ECHOES, silence=1.5).begin()
    wait_until(lambda: len(kept.starts) >= 2)
    assert kept.starts[1] - kept.starts[0] > 1.5


def test_one_that_stands_still_is_silent_too(keep: Keep) -> None:
    kept = keep(f"{BEATS}while True: beat(); time.sleep(0.05)", silence=20.0).begin()
    for _ in range(25):
        kept.said.clear()
        wait_until(lambda: len(kept.said) > 1)
        kept.pass_time(1.0)
    assert len(kept.starts) == 1 and kept.ended() is None
    assert kept.process_id is not None
    os.kill(kept.process_id, signal.SIGSTOP)

    def is_replaced() -> bool:
        kept.pass_time(1.0)
        return len(kept.starts) >= 2

    wait_until(is_replaced)


def test_one_that_nobody_waits_for_may_be_silent(keep: Keep) -> None:
    kept = keep(DEAF).begin()
    time.sleep(2)
    assert len(kept.starts) == 1


@pytest.mark.parametrize(("seconds", "is_ended"), [(180.0, False), (180.5, True)])
def test_work_that_stands_still_ends_it(keep: Keep, seconds: float, is_ended: bool) -> None:
    kept = keep(f"{BEATS}while True: beat([[7, {seconds}], [8, 1.0]]); time.sleep(0.1)")
    hung: list[set[int] | None] = []
    kept._on_death = lambda: hung.append(kept.ended())  # type: ignore[method-assign]
    kept.begin()
    wait_until(lambda: hung != [] if is_ended else len(kept.said) > 5)
    assert hung[:1] == [{7}] if is_ended else hung == []


def test_a_computer_that_slept_ends_nobody(keep: Keep) -> None:
    kept = keep(DEAF, silence=20.0).begin()
    wait_until(lambda: kept.said != [])
    for seconds in (1000.0,) * 5 + (1.0,) * 20:  # it sleeps for long, and is awake for long
        assert kept.ended() is None or seconds == 1
        kept.pass_time(seconds)
    wait_until(lambda: len(kept.starts) >= 2)


# Ends


@pytest.mark.parametrize(
    "program", [ECHOES, DEAF, f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n{DEAF}"]
)
def test_closing_ends_it_whether_it_heeds_that_or_not(keep: Keep, program: str) -> None:
    kept = keep(program).begin()
    wait_until(lambda: kept.said != [])
    begun = time.monotonic()
    kept.close()
    assert time.monotonic() - begun < 4
    assert not alive(kept.said[0]["pid"])
    assert kept.process_id is None and kept.deaths == 0


def test_one_that_reads_nothing_holds_nobody_up(keep: Keep) -> None:
    kept = keep(DEAF).begin()
    wait_until(lambda: kept.said != [])
    begun = time.monotonic()
    for _ in range(5):
        kept.send(large="x" * 1_000_000)  # more than a pipe holds
    kept.close(timeout=0)
    assert time.monotonic() - begun < 1
    wait_until(lambda: not alive(kept.said[0]["pid"]))


def test_closing_in_the_middle_of_a_start_leaves_no_process(keep: Keep) -> None:
    kept = keep(DEAF)
    kept.holds_start.clear()
    kept.begin()
    wait_until(lambda: kept.starts != [])
    kept.close(timeout=0)
    process = kept.process_id
    assert process is not None and alive(process)
    kept.holds_start.set()
    kept.close()
    assert not alive(process) and kept.said == []


def test_closing_before_the_first_start_starts_nothing(keep: Keep) -> None:
    kept = keep(ECHOES)
    kept.close = lambda *_: None  # type: ignore[method-assign]
    kept._closing.set()
    kept.begin()
    kept._thread.join(5)
    assert not kept._thread.is_alive() and kept.starts == []


def test_what_fails_on_its_thread_stops_nothing(keep: Keep, caplog: pytest.LogCaptureFixture) -> None:
    kept = keep(ECHOES).begin()
    kept.do(lambda: 1 / 0)
    kept.send(number=1)
    wait_until(lambda: {"heard": {"number": 1}} in kept.said)
    assert "ZeroDivisionError" in caplog.text


def test_who_fails_to_take_its_messages_gets_another(keep: Keep) -> None:
    kept = keep(ECHOES)
    took = kept._listen

    def fails_once(process: Process, said: Messages) -> None:
        if len(kept.starts) == 1:
            raise ValueError
        took(process, said)

    kept._listen = fails_once  # type: ignore[method-assign]
    kept.begin()
    wait_until(lambda: kept.said != [] and kept.deaths == 1)


# Its environment and its log


def test_it_has_its_own_environment_and_none_of_the_host_s_python(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/obs")
    monkeypatch.setenv("PYTHONSTARTUP", "/obs")
    monkeypatch.setenv("MINE", "kept")
    kept = keep(f"{SAY}say(environment=dict(os.environ), folder=os.getcwd()); time.sleep(3600)").begin()
    wait_until(lambda: kept.said != [])
    found = kept.said[0]["environment"]
    assert (found["SAYS"], found["MINE"], found["PYTHONUTF8"]) == ("hello", "kept", "1")
    assert not {"PYTHONPATH", "PYTHONSTARTUP"} & found.keys()
    assert kept.said[0]["folder"] == str(paths.ROOT)


def test_its_errors_go_to_the_log_which_stays_small(keep: Keep, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "_LOG_LIMIT", 1000)
    log.parent.mkdir(parents=True)
    log.write_bytes(b"x" * 1001)
    kept = keep("import sys, time; sys.exit('this was wrong')").begin()
    wait_until(lambda: kept.deaths >= 2)
    assert log.read_text().startswith("this was wrong\n" * 2)
    assert log.with_suffix(".old.log").read_bytes() == b"x" * 1001


def test_without_a_place_for_the_log_it_starts_all_the_same(keep: Keep, log: Path) -> None:
    log.mkdir(parents=True)
    kept = keep(ECHOES).begin()
    wait_until(lambda: kept.said != [])


# A process by itself


@pytest.fixture
def start() -> Iterator[Callable[[str], Process]]:
    with tempfile.TemporaryFile() as errors:
        yield lambda program: Process([sys.executable, "-c", program], {}, errors)


def test_what_was_sent_arrives_in_order_before_the_end(start: Callable[[str], Process]) -> None:
    process = start("import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())")
    lines = [b"%d\n" % number for number in range(1000)]
    for line in lines:
        process.send(line)
    assert process.end() == 0
    assert list(process.lines()) == lines


def test_what_is_sent_to_a_dead_process_is_lost_in_silence(start: Callable[[str], Process]) -> None:
    process = start("")
    assert list(process.lines()) == []
    process.send(b"x" * 1_000_000)
    assert process.end() == 0


# The child's own side

OURS = (
    "import sys; sys.path.insert(0, sys.argv[1])\n"
    "from cvmatte_core.child_process.parent import Parent\n"
    "parent = Parent.connected('%(message)s')\n"
)


class Served:
    """A process that serves its parent, which is this one."""

    def __init__(self, program: str) -> None:
        command, pipe = [sys.executable, "-c", OURS + program, str(paths.ROOT)], subprocess.PIPE
        self.process = spawn.start(command, {}, stdin=pipe, stdout=pipe, stderr=pipe)

    def told(self, said: bytes = b"") -> tuple[list[dict[str, Any]], str]:
        """Its messages, and its log, after its parent has said something and gone."""
        output, log = self.process.communicate(said, timeout=20)
        return [messages.decode(line) for line in output.splitlines()], log.decode()


def test_what_a_library_prints_is_no_message_and_its_input_is_empty() -> None:
    said, log = Served(
        "import os; print('a banner', flush=True); os.system('echo another')\n"
        "parent.send({'input': sys.stdin.read()}); parent.send({'lines': [line.decode() for line in parent.lines()]})"
    ).told(b"one\ntwo\n")
    assert said == [{"input": ""}, {"lines": ["one\n", "two\n"]}]
    assert "a banner" in log and "another" in log


def test_it_is_nicer_than_its_parent_and_its_log_is_read() -> None:
    program = "import os, logging; logging.info('going'); parent.send({'nice': os.nice(0)})"
    said, log = Served(program).told()
    assert said[0]["nice"] == min(19, os.nice(0) + 10)
    assert log == "going\n"


def test_messages_of_several_threads_do_not_mix() -> None:
    said, _ = Served(
        "import threading\n"
        "def talk(number):\n"
        "    for _ in range(50): parent.send({'number': number, 'long': 'x' * 20_000})\n"
        "threads = [threading.Thread(target=talk, args=(number,)) for number in range(4)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()"
    ).told()
    assert sorted(message["number"] for message in said) == sorted([*range(4)] * 50)


def test_it_ends_where_nobody_listens_any_more() -> None:
    served = Served("while True: parent.send({'long': 'x' * 10_000})")
    assert served.process.stdout is not None
    served.process.stdout.close()
    assert served.process.wait(20) == 0


def test_a_module_that_knows_nothing_of_this_ends_with_its_parent() -> None:
    program = "import sys, time; print([sys.stdin.read()], flush=True); time.sleep(3600)"
    command = spawn.command(parent.__name__, "timeit", "-n1", "-r1", program, python=Path(sys.executable))
    process = spawn.start(command, {}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == b"['']\n"  # what would ask a person hears nobody
    process.stdin.close()
    assert process.wait(60) == 1


# The beat


@pytest.fixture
def beats(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Beat, list[Standing]]]:
    monkeypatch.setattr("cvmatte_core.child_process.parent.BEAT_SECONDS", 0.05)
    told: list[Standing] = []
    beat = Beat(told.append)
    beat.start()
    beat.start()  # a second time it does nothing
    yield beat, told
    monkeypatch.setattr("cvmatte_core.child_process.parent.BEAT_SECONDS", 3600.0)


def test_a_beat_says_how_long_work_stands_still(beats: tuple[Beat, list[Standing]]) -> None:
    beat, told = beats
    wait_until(lambda: told != [])
    assert told[-1] == []
    with beat.doing(7):
        wait_until(lambda: told[-1] != [] and told[-1][0][1] > 0.3)
        assert told[-1][0][0] == 7
        threading.Thread(target=beat.moved).start()  # of another thread, which has none
        wait_until(lambda: told[-1][0][1] > 0.5)
        before = len(told)
        beat.moved()
        wait_until(lambda: any(standing[0][1] < 0.2 for standing in told[before:]))
    wait_until(lambda: told[-1] == [])
