"""`serin undo`: the release before the last promoted one is put back."""
