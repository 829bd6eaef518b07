"""Workers that come and go: who is away is left alone, and gets what waits when it is there again."""

from __future__ import annotations

from dispatch._presence import BY_ITSELF, Presence
from engine.model import TaskId
from tests.unit.dispatch.builders import a_worker
from tests.unit.dispatch.desk import Desk


async def test_a_task_waits_for_a_worker_that_is_away_and_is_sent_when_it_comes():
    presence = Presence()
    desk = Desk(presence=presence)
    desk.workers(a_worker("w1"))
    presence.set("w1", False)
    desk.submit("t1")
    assert desk.transport.under_way == {}

    presence.set("w1", True)
    await desk.sent("t1")
    assert desk.transport.workers["t1"] == "w1"


async def test_it_is_told_once_who_comes_or_goes():
    presence, heard = Presence(), list[tuple[str, bool]]()
    presence.listen(lambda worker_id, here: heard.append((worker_id, here)))
    for here in (True, False, False, True):
        presence.set("w1", here)
    assert heard == [("w1", False), ("w1", True)]


def test_who_is_away_by_itself_is_not_back_by_its_transport() -> None:
    presence, heard = Presence(), list[tuple[str, bool]]()
    presence.listen(lambda worker_id, here: heard.append((worker_id, here)))

    presence.set("w", False, by=BY_ITSELF)
    presence.set("w", True)
    presence.set("w", False)
    presence.set("w", True, by=BY_ITSELF)
    was_away = "w" in presence
    presence.set("w", True)

    assert was_away
    assert "w" not in presence
    assert heard == [("w", False), ("w", True)]


async def test_why_it_is_away_is_what_was_told_last():
    presence, heard = Presence(), list[tuple[str, bool]]()
    presence.listen(lambda worker_id, here: heard.append((worker_id, here)))
    found = []
    for here, why in ((False, "it drains"), (False, None), (False, "it drains"), (True, None)):
        presence.set("w1", here, why)
        found.append(presence.why("w1"))
    assert found == ["it drains", None, "it drains", None]
    assert heard == [("w1", False), ("w1", True)]


async def test_why_a_worker_is_away_that_is_connected_is_said_of_it_and_of_what_waits():
    presence = Presence()
    desk = Desk(presence=presence)
    desk.workers(a_worker("w1"))
    presence.set("w1", False, "it drains")
    desk.submit("t1")
    assert (desk.box.standing("w1").away, desk.box.why_not(TaskId("t1"))) == ("it drains", {"w1": "it drains"})

    presence.set("w1", False)
    assert desk.box.standing("w1").away == "it is not connected"
    assert desk.box.why_not(TaskId("t1")) == {"w1": "it cannot be reached"}
