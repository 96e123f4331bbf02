"""Live pictures: the process of a live portrait, and the other end of it."""
