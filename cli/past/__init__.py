"""`serin events` and `serin history`: what was said of a canary, and which runs it had."""
