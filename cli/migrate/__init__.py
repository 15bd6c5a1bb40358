"""`serin migrate`: what changes for each canary when Serin takes Flagger's place, and the steps there and back."""
