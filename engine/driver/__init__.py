"""The driver: loads runs, asks the core what to do, commits it, and only then carries it out."""

from engine.driver.engine import Engine, StartRequest
from engine.driver.options import EngineOptions

__all__ = ["Engine", "EngineOptions", "StartRequest"]
