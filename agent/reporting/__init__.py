"""How people learn of a run: events, alerts to chats, event hooks."""
