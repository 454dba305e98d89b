"""Recipes by name. A new recipe is one file and one entry here."""

from split_surgery.splitting.recipes.extension import EXTENSION
from split_surgery.splitting.recipes.graph import Recipe
from split_surgery.splitting.recipes.residual import RESIDUAL
from split_surgery.splitting.recipes.skip import SKIP

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (RESIDUAL, EXTENSION, SKIP)}
