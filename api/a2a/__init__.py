"""Workflows as Agent2Agent agents: their cards, the methods of both versions, streams and pushes."""
