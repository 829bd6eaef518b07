"""The driver: loads runs, asks the core what to do, commits it, and only then carries it out."""

from engine.driver.engine import Engine
from engine.driver.options import EngineOptions
from engine.driver.requests import StartRequest

__all__ = ["Engine", "EngineOptions", "StartRequest"]
