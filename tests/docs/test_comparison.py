"""Each statement of the comparison has its source."""

from __future__ import annotations

import re

from tests.docs.pages import page, rows, sections

SECTIONS = {each.title: each.text for each in sections(page("comparison.md"))}
SOURCES = {number: where for number, _, where in rows(SECTIONS["Sources"])}
UNSOURCED = {"not documented", "not documented for Kustomer", "their cloud"}


def test_every_source_is_used_and_every_number_has_one() -> None:
    body = "".join(text for title, text in SECTIONS.items() if title != "Sources")
    used = set(re.findall(r"\[(\d+)\](?!\()", body))
    assert used == SOURCES.keys()
    assert all(re.search(r"<https://\S+>", where) for where in SOURCES.values())


def test_every_cell_about_another_product_names_its_source() -> None:
    compared = rows(SECTIONS["Side by side"])
    assert len(compared) > 15
    for subject, *others, _ in compared:
        for cell in others:
            has_source = re.search(r"\[\d+\]", cell) or any(each in cell for each in UNSOURCED)
            assert has_source, (subject, cell)
