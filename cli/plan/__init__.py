"""`serin plan`: how long a run takes, told by the state machine itself."""
