"""Test inputs as data: invalid configurations, unusual configurations, and injection attempts."""

import os
from pathlib import Path

INPUTS = Path(__file__).parent

THOROUGH = int(os.environ.get("THOROUGH") or 0)
"""Runs all cases, and more generated ones by this factor: THOROUGH=20 takes a quarter of an hour."""
