"""Judging by counts: from raw counters to failures, each counted once, and from those to answers with a stated error.

Pure, and of nothing but numbers: which server is asked what, and what follows from an answer, is known elsewhere.
"""
