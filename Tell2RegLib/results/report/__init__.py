"""report.html: one self-contained file that a clinician can read and a colleague can check.

Everything that comes from files (names, words, reasons) is escaped: by the template, and in pictures where they are
made.
"""

from __future__ import annotations

from Tell2RegLib.results.report.render import render_report, write_report

__all__ = ["render_report", "write_report"]
