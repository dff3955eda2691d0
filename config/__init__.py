"""The environment file: its model, its checks, and every name derived from it."""

from config.environment import Environment, ResolvedRegion
from config.loading.load import config_path, load
from config.problems import ConfigError, Problem

__all__ = ["ConfigError", "Environment", "Problem", "ResolvedRegion", "config_path", "load"]
