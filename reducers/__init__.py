"""Reducers: how an update joins the value that a state key has; each public module here is one, found by its name."""
