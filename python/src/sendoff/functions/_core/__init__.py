"""Runs of functions: their branches and events, replay, what a server is answered."""
