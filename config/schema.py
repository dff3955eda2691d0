"""The JSON Schema of the environment file, for editors: ``python -m config.schema``."""

import json

from config.environment import Environment
from config.paths import ROOT

SCHEMA_FILE = ROOT / "mesh.schema.json"


def schema_text() -> str:
    """Return the schema as it stands in ``mesh.schema.json``."""
    schema = Environment.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "Multi-region service mesh on Google Cloud"
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
