"""The parts of the interface, one module each."""
