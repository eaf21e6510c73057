"""Model files read as hostile bytes, before any library opens them. Bounded in memory and time; imports no library."""
