"""Recipes by name. A new recipe is one file and one entry here."""

from split_surgery.recipes.extension import EXTENSION
from split_surgery.recipes.graph import Recipe
from split_surgery.recipes.residual import RESIDUAL
from split_surgery.recipes.skip import SKIP

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (RESIDUAL, EXTENSION, SKIP)}
