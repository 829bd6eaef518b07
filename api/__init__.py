"""The shell: HTTP, streams, the command line. `api.wiring` is the one place that decides what a server is made of."""
