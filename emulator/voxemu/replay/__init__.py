"""Recordings that answer calls: what the agent said in one becomes what it says in the next."""
