"""The formats of the chats, one module each; `agent.providers.alerts.registry` lists them."""
