"""Which components there are, and who provides them."""
