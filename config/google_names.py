"""Regions, zones and machine types of Google Cloud, as of `AS_OF`: for hints only, as Google adds others.

A name that is not here is accepted. `config.validation.locations` warns about one that is close to a known name.
"""

from datetime import date

AS_OF = date(2026, 11, 28)

REGIONS = (
    "africa-south1", "asia-east1", "asia-east2", "asia-northeast1", "asia-northeast2", "asia-northeast3",
    "asia-south1", "asia-south2", "asia-southeast1", "asia-southeast2", "asia-southeast3", "australia-southeast1",
    "australia-southeast2", "europe-central2", "europe-north1", "europe-north2", "europe-southwest1", "europe-west1",
    "europe-west10", "europe-west12", "europe-west15", "europe-west2", "europe-west3", "europe-west4", "europe-west6",
    "europe-west8", "europe-west9", "me-central1", "me-central2", "me-west1", "northamerica-northeast1",
    "northamerica-northeast2", "northamerica-south1", "southamerica-east1", "southamerica-west1", "us-central1",
    "us-central2", "us-east1", "us-east4", "us-east5", "us-east7", "us-south1", "us-west1", "us-west2", "us-west3",
    "us-west4", "us-west8",
)  # fmt: skip
"""Regions of at least ten APIs' regional endpoints.

Source: `endpoints` of Google's discovery documents, in google-api-python-client 2.202.0; a test compares them.
"""

_ZONE_LETTERS = {"europe-west1": "bcd", "us-central1": "abcf", "us-east1": "bcd"}
"""Letters of the zones of a region whose zones are not a, b and c.

Source: https://docs.cloud.google.com/compute/docs/regions-zones
"""


def zones_of(region: str) -> tuple[str, ...]:
    """Return the known zones of a known region."""
    return tuple(f"{region}-{letter}" for letter in _ZONE_LETTERS.get(region, "abc"))


def _sizes(series: str, shapes: str, sizes: str) -> list[str]:
    """Return machine types: each of the shapes in each of the sizes, which may have a suffix."""
    return [f"{series}-{shape}-{size}" for shape in shapes.split() for size in sizes.split()]


MACHINE_TYPES = (
    *("e2-micro", "e2-small", "e2-medium", "f1-micro", "g1-small"),
    *_sizes("e2", "standard highcpu", "2 4 8 16 32"),
    *_sizes("e2", "highmem", "2 4 8 16"),
    *_sizes("n1", "standard", "1"),
    *_sizes("n1", "standard highcpu highmem", "2 4 8 16 32 64 96"),
    *_sizes("n2", "standard highmem", "2 4 8 16 32 48 64 80 96 128"),
    *_sizes("n2", "highcpu", "2 4 8 16 32 48 64 80 96"),
    *_sizes("n2d", "standard highcpu", "2 4 8 16 32 48 64 80 96 128 224"),
    *_sizes("n2d", "highmem", "2 4 8 16 32 48 64 80 96"),
    *_sizes("n4", "standard highcpu highmem", "2 4 8 16 32 48 64 80"),
    *_sizes("n4a", "standard highcpu highmem", "1 2 4 8 16 32 48 64"),
    *_sizes("n4d", "standard highcpu highmem", "2 4 8 16 32 48 64 80 96"),
    *_sizes("c2", "standard", "4 8 16 30 60"),
    *_sizes("c2d", "standard highcpu highmem", "2 4 8 16 32 56 112"),
    *_sizes("c3", "standard highcpu highmem", "4 8 22 44 88 176 192-metal"),
    *_sizes("c3", "standard", "4-lssd 8-lssd 22-lssd 44-lssd 88-lssd 176-lssd"),
    *_sizes("c3d", "standard highcpu highmem", "4 8 16 30 60 90 180 360"),
    *_sizes("c3d", "standard highmem", "8-lssd 16-lssd 30-lssd 60-lssd 90-lssd 180-lssd 360-lssd"),
    *_sizes("c4", "standard highcpu highmem", "2 4 8 16 24 32 48 96 144 192 288"),
    *_sizes("c4", "standard highmem", "4-lssd 8-lssd 16-lssd 24-lssd 32-lssd 48-lssd 96-lssd 144-lssd 192-lssd"),
    *_sizes("c4", "standard highmem", "288-lssd 288-metal 288-lssd-metal"),
    *_sizes("c4a", "standard highcpu highmem", "1 2 4 8 16 32 48 64 72"),
    *_sizes("c4a", "standard highmem", "4-lssd 8-lssd 16-lssd 32-lssd 48-lssd 64-lssd 72-lssd"),
    *_sizes("c4d", "standard highcpu highmem", "2 4 8 16 32 48 64 96 192 384 384-metal"),
    *_sizes("c4d", "standard highmem", "8-lssd 16-lssd 32-lssd 48-lssd 64-lssd 96-lssd 192-lssd 384-lssd"),
    *_sizes("t2a", "standard", "1 2 4 8 16 32 48"),
    *_sizes("t2d", "standard", "1 2 4 8 16 32 48 60"),
    *_sizes("h3", "standard", "88"),
    *_sizes("h4d", "standard highmem", "192"),
    *_sizes("h4d", "highmem", "192-lssd"),
    *_sizes("m1", "ultramem", "40 80 160"),
    *_sizes("m1", "megamem", "96"),
    *_sizes("m2", "ultramem", "208 416"),
    *_sizes("m2", "megamem hypermem", "416"),
    *_sizes("m3", "ultramem", "32 64 128"),
    *_sizes("m3", "megamem", "64 128"),
    *_sizes("m4", "hypermem", "16 32 64"),
    *_sizes("m4", "megamem", "28 56 112 224"),
    *_sizes("m4", "ultramem", "56 112 224"),
    *("x4-480-6t-metal", "x4-480-8t-metal", "x4-960-12t-metal", "x4-960-16t-metal", "x4-1440-24t-metal"),
    "x4-1920-32t-metal",
    *_sizes("z3", "highmem", "14-standardlssd 22-standardlssd 44-standardlssd 88-standardlssd 176-standardlssd"),
    *_sizes("z3", "highmem", "8-highlssd 16-highlssd 22-highlssd 32-highlssd 44-highlssd 88-highlssd"),
    *_sizes("z3", "highmem", "192-highlssd-metal"),
    *_sizes("a2", "highgpu", "1g 2g 4g 8g"),
    *_sizes("a2", "ultragpu", "1g 2g 4g 8g"),
    *_sizes("a2", "megagpu", "16g"),
    *_sizes("a3", "highgpu", "1g 2g 4g 8g"),
    *_sizes("a3", "megagpu ultragpu edgegpu", "8g"),
    *("a4-highgpu-8g", "a4x-highgpu-4g"),
    *_sizes("g2", "standard", "4 8 12 16 24 32 48 96"),
    *_sizes("g4", "standard", "48 96 192 384"),
)
"""Predefined machine types.

Sources: https://docs.cloud.google.com/compute/docs/general-purpose-machines and the pages of the other families.
"""

CUSTOM_SERIES = ("e2", "n1", "n2", "n2d", "n4", "n4a", "n4d")
"""Series with custom machine types, SERIES-custom-VCPUS-MEMORY; `custom-…` alone is N1's.

Source: https://docs.cloud.google.com/compute/docs/instances/creating-instance-with-custom-machine-type
"""
