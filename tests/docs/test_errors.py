"""The page of errors has each message of the code, and no other."""

from __future__ import annotations

import re

from target_kustomer.models import Reason
from tests.docs.messages import Message, Rejected, messages, rejections, unread
from tests.docs.pages import page, rows, sections

SECTIONS = {each.title: each.text for each in sections(page("errors.md"))}

FEWEST = 70
"""So many messages there are at least: an extractor that finds none would hold nothing."""


def shown() -> set[Message]:
    found = set()
    for title, text in SECTIONS.items():
        if code := re.match(r"Exit (\d)|(128 \+ n)|(141)", title):
            exit_code = next(filter(None, code.groups()))
            found |= {Message(exit_code, code_in(cells[0])) for cells in rows(text)}
        elif title.startswith("Only `--check`"):
            found |= {Message(cells[1], code_in(cells[0])) for cells in rows(text)}
    return found


def code_in(cell: str) -> str:
    assert cell.startswith("`"), cell
    assert cell.endswith("`"), cell
    return cell[1:-1].replace("\\|", "|")


def test_the_page_has_the_messages_of_the_code() -> None:
    known = messages()
    assert len(known) >= FEWEST
    assert known - shown() == set()
    assert shown() - known == set()


def test_no_words_that_end_a_run_escape() -> None:
    """What is not written where the error is made is read where it is written."""
    assert unread() == {
        "mapping/stream.py: error",  # each stream's errors, where they are raised
        "target.py: _validate_config",  # of config_problem
    }


def test_the_page_has_the_rejections_of_the_code() -> None:
    known = rejections()
    on_page = {
        Rejected(code_in(reason), code_in(detail))
        for reason, detail, _ in rows(SECTIONS["Rejected records"])
    }
    assert known - on_page == set()
    assert on_page - known == set()
    assert {each.reason for each in on_page} == {each.value for each in Reason}


def test_every_message_is_explained() -> None:
    for text in SECTIONS.values():
        for cells in rows(text):
            assert all(cells), cells
