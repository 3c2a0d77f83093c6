"""Each recipe of the cookbook: its settings, its messages, and what Kustomer holds then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs.pages import page
from tests.docs.recipes import check_recipe, recipes

if TYPE_CHECKING:
    from target_kustomer.simulator import Simulator
    from tests.docs.pages import Section
    from tests.support import Runner

RECIPES = recipes("cookbook.md")


def test_every_block_of_the_page_is_tried() -> None:
    assert sum(len(each.blocks) for each in RECIPES) == page("cookbook.md").count("\n```json\n")
    assert len(RECIPES) > 20


@pytest.mark.without_ledger
@pytest.mark.parametrize("section", RECIPES, ids=lambda section: section.title)
def test_a_recipe_ends_as_the_page_says(
    section: Section, simulator: Simulator, run: Runner
) -> None:
    check_recipe(section, simulator, run)
