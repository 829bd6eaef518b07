"""A run as a file: lines of JSON that say all of it, in numbers of their own, and how they are read again."""
