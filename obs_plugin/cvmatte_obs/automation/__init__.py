"""CVMatte, driven from outside: a vendor of obs-websocket. schema.json declares what it takes, answers and tells."""
