"""The empty room, photographed: whatever isn't the room is the person's, and what is the room isn't."""
