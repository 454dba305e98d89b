"""The JSON Schemas of docs/schemas, which outputs of the command are held against."""

from __future__ import annotations

import json
from typing import Any

from tests.support.paths import ROOT

FOLDER = ROOT / "docs" / "schemas"


def validator(name: str) -> Any:
    """A schema that knows the others, to which demo's refers."""
    import jsonschema
    import referencing

    contents = {path.name: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}
    registry = referencing.Registry().with_resources(
        [(file, referencing.Resource.from_contents(schema)) for file, schema in contents.items()]
    )
    return jsonschema.Draft202012Validator(contents[f"{name}.schema.json"], registry=registry)
