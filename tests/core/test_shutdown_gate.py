"""What keeps the plugin's threads from OBS's sources while OBS clears its scenes."""

from __future__ import annotations

import threading

from cvmatte_obs.shutdown_gate import Gate


def test_who_is_inside_is_waited_for_and_nobody_gets_in_any_more() -> None:
    gate, inside, leave = Gate(), threading.Event(), threading.Event()
    has_left: list[bool] = []

    def pass_through() -> None:
        with gate.passing() as passes:
            assert passes
            inside.set()
            leave.wait(60)
            has_left.append(True)

    thread = threading.Thread(target=pass_through)
    thread.start()
    assert inside.wait(60)
    assert not gate.shut(0.01)
    with gate.passing() as passes:
        assert not passes
    threading.Timer(0.1, leave.set).start()
    assert gate.shut(60)
    assert has_left == [True]
    thread.join()
    gate.open()
    with gate.passing() as passes:
        assert passes


def test_who_is_refused_doesn_t_count_as_inside() -> None:
    gate = Gate()
    assert gate.shut(0)
    with gate.passing() as passes:
        assert not passes
        assert gate.shut(0)
