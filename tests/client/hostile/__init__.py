"""The reference client against servers that do what no server should."""
