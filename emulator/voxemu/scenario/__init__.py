"""Scenarios: a call written down, both sides and what is expected of it, to be run on any clock."""
