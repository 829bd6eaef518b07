"""The behaviour matrix: what each join makes of each thing that can happen to a branch, played on the real rules."""
