"""Pure rendering: a canary and its target in, the generated objects and the patches on them out."""
