"""Files and folders that are whole or absent, and configuration files that are checked as they are read."""
