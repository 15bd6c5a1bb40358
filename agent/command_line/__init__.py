"""The command line of the agent, and of Flagger: what of it is read as ours, and what means nothing here."""
