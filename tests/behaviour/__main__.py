"""Writes the page of the matrix: `python -m tests.behaviour > docs/reference/behaviour.md`."""

from __future__ import annotations

import logging
import sys

import structlog

from tests.behaviour.page import page

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
sys.stdout.write(page())
