"""The simulation: random workflows in random orders on the pure core, checked against what the language promises."""
