"""Workflows and agents that ask each other over Agent2Agent; the README has the commands."""
