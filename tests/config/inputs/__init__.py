"""Configurations as data: wrong ones, unusual ones, texts that would like to be more than text."""

import os
from pathlib import Path

INPUTS = Path(__file__).parent

THOROUGH = int(os.environ.get("THOROUGH") or 0)
"""Try everything, and so many times as long: THOROUGH=20 takes a quarter of an hour."""
