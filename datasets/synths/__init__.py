"""Synthesizers that turn scores into sound."""
