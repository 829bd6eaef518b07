"""How tasks reach workers: the outbox that chooses and delivers, and one protocol per public module."""
