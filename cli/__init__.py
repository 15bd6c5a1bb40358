"""The command `serin`: what people ask of their canaries, here from files alone."""
