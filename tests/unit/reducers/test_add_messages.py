"""Messages are replaced, removed and appended by their ids."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reducers import add_messages
from reducers._errors import UpdateError

IDS = st.sampled_from("abcd")
ENTRIES = st.lists(
    st.builds(lambda name, text: {"id": name, "text": text}, IDS, st.integers(0, 9))
    | st.builds(lambda name: {"id": name, "remove": True}, IDS),
    max_size=6,
)


def test_a_known_id_replaces_in_place_and_a_new_one_appends():
    current = [{"id": "1", "t": "a"}, {"id": "2", "t": "b"}]

    messages = add_messages.reduce(current, [{"id": "1", "t": "A"}, {"id": "3", "t": "c"}])

    assert messages == [{"id": "1", "t": "A"}, {"id": "2", "t": "b"}, {"id": "3", "t": "c"}]


def test_a_removal_takes_a_message_out_and_an_unknown_one_has_no_effect():
    current = [{"id": "1"}, {"id": "2"}]

    assert add_messages.reduce(current, [{"id": "1", "remove": True}, {"id": "zz", "remove": True}]) == [{"id": "2"}]


def test_a_message_that_was_removed_can_come_again_at_the_end():
    update = [{"id": "1", "remove": True}, {"id": "1", "t": "new"}]

    assert add_messages.reduce([{"id": "1"}, {"id": "2"}], update) == [{"id": "2"}, {"id": "1", "t": "new"}]


def test_of_two_messages_with_one_id_the_first_is_meant():
    twins = [{"id": "1", "t": "a"}, {"id": "1", "t": "b"}]

    assert add_messages.reduce(twins, {"id": "1", "t": "new"}) == [{"id": "1", "t": "new"}, {"id": "1", "t": "b"}]


def test_an_update_may_be_one_message():
    assert add_messages.reduce([], {"id": "1"}) == [{"id": "1"}]


def test_remove_has_to_be_true_to_remove():
    assert add_messages.reduce([{"id": "1"}], {"id": "1", "remove": False}) == [{"id": "1", "remove": False}]


@given(ENTRIES, ENTRIES, ENTRIES)
def test_updates_in_batches_give_the_same_messages(current, first, second):
    start = add_messages.reduce(None, current)

    in_two = add_messages.reduce(add_messages.reduce(start, first), second)

    assert in_two == add_messages.reduce(start, first + second)


@settings(max_examples=30)
@given(ENTRIES)
def test_no_id_is_there_twice(entries):
    ids = [message["id"] for message in add_messages.reduce(None, entries)]

    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("update", "expected"), [("hi", "an object"), ([1], "an object"), ({"remove": True}, "a string")]
)
def test_what_is_no_message_is_refused(update, expected):
    with pytest.raises(UpdateError, match=f"expected {expected}"):
        add_messages.reduce([], update)


def test_messages_without_a_string_id_get_one_from_origin_and_place():
    first, second, third = add_messages.normalise([{"t": "a"}, {"id": "mine"}, {"id": 5, "t": "b"}], "run/a")

    assert second == {"id": "mine"}
    assert first["id"] != third["id"]
    assert add_messages.normalise([{"t": "a"}], "run/a") == [first]
    assert add_messages.normalise([{"t": "a"}], "run/b") != [first]


def test_giving_ids_again_changes_nothing_and_removals_stay():
    update = add_messages.normalise([{"t": "a"}, {"id": "x", "remove": True}], "run/a")

    assert add_messages.normalise(update, "elsewhere") == update
    assert update[1] == {"id": "x", "remove": True}


def test_one_message_gets_the_id_of_the_first_place():
    assert add_messages.normalise({"t": "a"}, "o") == add_messages.normalise([{"t": "a"}], "o")[0]


@pytest.mark.parametrize("update", ["text", 5, [1, None]])
def test_what_is_no_message_is_left_for_the_reducer_to_refuse(update):
    assert add_messages.normalise(update, "o") == update


def test_lists_that_were_made_of_one_list_do_not_disturb_each_other():
    base = add_messages.reduce(None, [{"id": "a"}])
    one = add_messages.reduce(base, [{"id": "b"}, {"id": "c", "of": "one"}])
    other = add_messages.reduce(base, [{"id": "c", "of": "other"}])
    shorter = add_messages.reduce(one, {"id": "b", "remove": True})

    assert add_messages.reduce(one, {"id": "c", "of": "two"}) == [{"id": "a"}, {"id": "b"}, {"id": "c", "of": "two"}]
    assert add_messages.reduce(other, {"id": "b"}) == [{"id": "a"}, {"id": "c", "of": "other"}, {"id": "b"}]
    assert add_messages.reduce(other, {"id": "c", "remove": True}) == [{"id": "a"}]
    assert add_messages.reduce(shorter, {"id": "c"}) == [{"id": "a"}, {"id": "c"}]
    assert add_messages.reduce(base, {"id": "c"}) == [{"id": "a"}, {"id": "c"}]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 5), ENTRIES), max_size=12))
def test_a_list_is_what_its_own_updates_make_of_it_whatever_was_made_beside_it(steps):
    """Lists are made of one another in every order; each is compared with one that is made with nothing known."""
    made = [[], [{"id": "a"}, {"id": "b"}, {"id": "a"}]]
    for parent, entries in steps:
        before = made[parent % len(made)]
        made.append(add_messages.reduce(before, entries))

        assert made[-1] == add_messages.reduce(list(before), entries)


@settings(max_examples=100)
@example(True, [[{"id": "a", "remove": True}, {"id": "a", "text": 0}], [{"id": "a", "text": 1}]])
@given(st.booleans(), st.lists(ENTRIES, max_size=6))
def test_a_fold_is_one_update_after_the_other(twice, updates):
    start = [{"id": "a"}, {"id": "b"}, {"id": "a"}] if twice else []
    expected, made = start, add_messages.Fold(start)
    for count, update in enumerate(updates):
        expected = add_messages.reduce(list(expected), update)
        made.add(update)
        assert count % 2 or made.value == expected

    assert made.value == expected


@given(st.lists(st.tuples(st.integers(0, 3), ENTRIES), max_size=12))
def test_whatever_else_is_made_of_a_list_what_is_made_of_it_is_the_same(steps):
    """Lists that are made of one another, in any order, share what is known of their messages."""
    made, alone = [add_messages.reduce(None, [])], [add_messages.reduce(None, [])]
    for back, update in steps:
        at = max(len(made) - 1 - back, 0)
        made.append(add_messages.reduce(made[at], update))
        alone.append(add_messages.reduce(list(alone[at]), update))

    assert made == alone
