"""The routes: each handler reads what was asked, calls one thing, and renders what it gave."""
