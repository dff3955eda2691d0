"""CRDs of GKE and of its fleet."""

from pathlib import Path

import yaml

from tests.local_mesh.rendered import Object

FILE = Path(__file__).parent / "gke-crds.yaml"


def gke_crds(*names: str) -> list[Object]:
    """Return the CRDs of these names, or all of them."""
    documents = yaml.safe_load_all(FILE.read_text(encoding="utf-8"))
    return [one for one in documents if not names or one["metadata"]["name"] in names]
