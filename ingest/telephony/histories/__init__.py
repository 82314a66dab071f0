"""What providers remember of their calls: how it is asked for, and what their answers say. Pure."""
