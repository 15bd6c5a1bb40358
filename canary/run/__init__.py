"""One run in values: what is intended, what was observed, what is decided and said."""
