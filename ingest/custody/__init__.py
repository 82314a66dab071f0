"""What people run: departures, lines, imports, sources, replay. Each command is one transaction."""
