"""An independent check of a run: from its stored rows alone, all of it is worked out anew, by the plainest way."""

from engine.verify.check import Report, line_of, verify_rows, verify_run

__all__ = ["Report", "line_of", "verify_rows", "verify_run"]
