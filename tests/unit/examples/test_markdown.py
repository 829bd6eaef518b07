"""The Markdown reader of the example: sections, anchors and links, and what looks like them but is none."""

from textwrap import dedent

import pytest

from examples.review.markdown import anchors, documents, lines_of, links, plain, sections


def headings(text):
    return [(found.level, found.heading) for found in sections(dedent(text))]


def test_atx_headings_have_one_to_six_marks_and_a_space():
    found = headings("""\
        # One
        ###### Six ######
        ####### Seven
        #No space
        ##
        """)

    assert found == [(1, "One"), (6, "Six"), (2, "")]


def test_setext_headings_may_have_several_lines():
    found = headings("""\
        One
        ===

        Two of
        two lines
        -
        """)

    assert found == [(1, "One"), (2, "Two of two lines")]


@pytest.mark.parametrize(
    "text",
    [
        "```\n# no\n```\n",
        "~~~ md\n# no\n```\n# no\n~~~\n",
        "````\n```\n# no\n````\n",
        "text\n\n    # no\n",
        "<!--\n# no\n-->\n",
        "<pre>\n# no\n</pre>\n",
        "---\ntitle: no\n---\ntext\n",
        "- item\n---\n",
        "> quote\n---\n",
        "| a | b |\n---\n",
        "text\n\n---\n\ntext\n",
        "```\n# an open fence goes to the end\n",
    ],
)
def test_what_is_no_heading(text):
    assert [found for found in sections(text) if found.level] == []


def test_a_fence_inside_a_paragraph_ends_it():
    found = headings("""\
        text
        ```
        code
        ```
        ---
        # Yes
        """)

    assert found == [(0, ""), (1, "Yes")]


def test_a_section_reaches_to_the_next_heading_of_any_level():
    text = "before\n\n# A\n\nin a\n\n## B\n\n```\n# code\n```\n# C\n"

    found = sections(text)

    assert [(s.heading, s.line, s.text_line, s.text) for s in found] == [
        ("", 1, 1, "before"),
        ("A", 3, 5, "in a"),
        ("B", 7, 9, "```\n# code\n```"),
        ("C", 12, 13, ""),
    ]


def test_a_section_knows_the_level_of_the_heading_before_it():
    assert [s.previous_level for s in sections("# A\n### B\n## C\n")] == [0, 1, 3]


def test_the_text_of_a_setext_section_begins_below_its_underline():
    (found,) = sections("A\n===\n\ntext\n")

    assert (found.line, found.text_line, found.text) == (1, 4, "text")


def test_front_matter_and_blank_lines_are_no_section():
    assert sections("---\na: 1\n---\n\n\n# A\n")[0].heading == "A"
    assert sections("\n\n") == []


def test_lines_of_a_list_item_are_no_code_however_deep():
    text = "1. item\n\n    goes on\n\ntext\n\n    code\n"

    assert [line.text.strip() for line in lines_of(text) if line.code and line.text.strip()] == ["code"]


def test_plain_reads_as_the_page_does():
    assert plain("**A** _b_ snake_case `code` [link](x.md) ![pic](p.png) <b>c</b> \\*") == (
        "A b snake_case code link pic c *"
    )


def test_anchors_are_those_of_repository_pages():
    text = "# How it works!\n## `plan(run)` & go\n## Twice\n## Twice\n<a id='own'></a>\n```\n# no\n```\n"

    assert anchors(text) == {"how-it-works", "planrun--go", "twice", "twice-1", "own"}


def test_links_are_found_with_their_lines_and_not_in_code():
    text = '[a](a.md)\n`[b](b.md)` and ![c](img/c%20d.png "title")\n```\n[d](d.md)\n```\n[e](<e f.md>) [g](g_(1).md)\n'

    assert list(links(lines_of(text))) == [(1, "a.md"), (2, "img/c d.png"), (6, "e f.md"), (6, "g_(1).md")]


def test_documents_leaves_out_hidden_folders_and_the_code_of_others(tmp_path):
    for name in ("b.md", "a/c.MARKDOWN", ".hidden/d.md", "node_modules/e.md", "f.txt", ".g.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("# x\n")

    assert [path.relative_to(tmp_path).as_posix() for path in documents(tmp_path)] == ["a/c.MARKDOWN", "b.md"]
