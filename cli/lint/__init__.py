"""`serin lint`: what admission would say of the objects in files."""
