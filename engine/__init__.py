"""The rules of Clew: what a workflow means, decided by pure functions and carried out by a thin driver."""
