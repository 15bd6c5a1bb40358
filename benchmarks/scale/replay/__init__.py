"""An API server and the controllers behind it, replayed from memory: cheap enough not to be what is measured."""
