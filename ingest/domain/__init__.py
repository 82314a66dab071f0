"""Words and dated rules of the trade. Pure: no I/O, no clock, no database."""
