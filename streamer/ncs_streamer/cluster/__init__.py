"""Many nodes on one store: who owns which stream, and how everyone gets to it."""
