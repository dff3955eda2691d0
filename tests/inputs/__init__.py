"""Configurations as data: wrong ones, unusual ones, texts that would like to be more than text."""

import os
from pathlib import Path

INPUTS = Path(__file__).parent

THOROUGH = bool(os.environ.get("THOROUGH"))
"""Try everything, and for longer: set THOROUGH=1."""
