"""What can be known to go wrong is found out in seconds, before GPU hours are spent on it."""
