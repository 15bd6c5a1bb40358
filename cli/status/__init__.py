"""`serin status`: one run in detail, and waiting for its end."""
