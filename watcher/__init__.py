"""What goes on behind a server: definitions of workflows that come from files."""
