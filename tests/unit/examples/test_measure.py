"""What the example measures in a section, finding by finding."""

import pytest

from examples.review.measure import broken, measure
from examples.review.prose import blocks, leftovers, repeated, sentences, words


def section(text, **more):
    return {"doc": "a.md", "heading": "A", "level": 2, "line": 1, "text": text, "text_line": 3, **more}


def findings(text, folder, **more):
    return [(found.kind, found.line) for found in measure(section(text, **more), folder).findings]


def test_words_and_sentences_are_counted_without_code_and_markup(tmp_path):
    text = "One **two** three. Four five!\n\n```\nnot counted at all\n```\n\n- six [seven](https://example.org/x)\n"

    found = measure(section(text), tmp_path)

    assert (found.words, found.sentences, found.mean_sentence, found.longest_sentence) == (7, 3, 2.3, 3)
    assert (found.score, found.findings) == (10.0, ())


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("It costs 3.50 today. Good.", 2),
        ("Many, e.g. This one, are one sentence.", 1),
        ("See Fig. 3 of Dr. Who.", 1),
        ("Is it? Yes! “So it is.” Fine", 4),
        ("no capital. follows", 1),
        ("...", 0),
    ],
)
def test_sentences_end_where_a_reader_stops(text, count):
    (block,) = blocks(text)

    assert len(list(sentences(block))) == count


def test_words_with_marks_inside_are_one_word():
    assert words("don't re-run 0.5 e.g. naïve") == ["don't", "re-run", "0.5", "e.g", "naïve"]


def test_blocks_begin_at_paragraphs_items_and_rows():
    text = "a\nb\n\n1. c\n   d\n2. e\n\n| f | g |\n| --- | --- |\n| h | i |\n\n> j\n> k\n"

    assert [(block.line, block.text) for block in blocks(text, 10)] == [
        (10, "a b"),
        (13, "c d"),
        (15, "e"),
        (17, "f g"),
        (19, "h i"),
        (21, "j k"),
    ]


def test_a_word_twice_in_a_row_is_found_across_lines(tmp_path):
    assert findings("This is is bad.\nAnd the\nthe end.", tmp_path) == [("repeated-word", 3), ("repeated-word", 3)]


def test_what_is_meant_twice_is_no_finding():
    for text in ("He had had enough.", "Zoom, zoom, zoom.", "`the the` is quoted", "a1 a1"):
        (block,) = blocks(text.replace("`the the`", "it"))
        assert list(repeated(block)) == []


def test_long_sentences_and_paragraphs_are_found(tmp_path):
    long_sentence = " ".join(["word" + "s" * (n % 2) for n in range(41)]) + "."
    long_paragraph = " ".join(f"Short number {n} here." for n in range(40))

    assert findings(long_sentence, tmp_path) == [("long-sentence", 3)]
    assert findings(long_paragraph, tmp_path) == [("long-paragraph", 3)]


def test_leftovers_are_found_outside_code():
    text = "TODO: this\n`TODO` and a todo list\nLorem ipsum dolor\n```\nFIXME\n```\nwhat???\n"

    assert list(leftovers(text)) == [(1, "TODO"), (3, "Lorem ipsum"), (7, "???")]


def test_a_level_that_is_jumped_over_is_found_at_the_heading(tmp_path):
    assert findings("x", tmp_path, level=4, previous_level=2) == [("level-jump", 1)]
    assert findings("x", tmp_path, level=1, previous_level=3) == []
    assert findings("x", tmp_path, level=3, previous_level=0) == []


def test_links_are_checked_on_disk(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "b.md").write_text("# Big news\n")
    document = tmp_path / "docs" / "a.md"
    document.write_text("# Own\n")

    good = ["b.md", "b.md#big-news", "#own", "../docs", "/docs/b.md", "https://x.org/y", "mailto:a@b.c", "b.md?raw=1"]
    assert [broken(target, document, tmp_path) for target in good] == [None] * len(good)
    assert broken("c.md", document, tmp_path) == "there is no such file"
    assert broken("b.md#none", document, tmp_path) == "the document has no heading `#none`"
    assert broken("#none", document, tmp_path) == "the document has no heading `#none`"


def test_findings_lower_the_score_but_not_below_zero(tmp_path):
    (tmp_path / "a.md").write_text("")

    assert measure(section("[x](none.md)"), tmp_path).score == 8.0
    assert measure(section("[x](none.md) " * 9), tmp_path).score == 0.0


def test_line_numbers_are_those_of_the_document(tmp_path):
    text = "fine\n\nTODO\n\n[x](none.md)"

    assert findings(text, tmp_path, line=40, text_line=42) == [("leftover", 44), ("broken-link", 46)]
