"""`serin replay`: the last run's kept looks and values, judged again by an edited spec."""
