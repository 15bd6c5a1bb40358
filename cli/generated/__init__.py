"""`serin render`: the objects that a canary generates."""
