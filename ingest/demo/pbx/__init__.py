"""Simulated telephone systems, one module for each provider."""
