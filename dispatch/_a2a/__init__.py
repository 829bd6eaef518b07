"""Agent2Agent on the wire: one model, and how each version of the protocol writes and reads it."""
