"""Figures of one run, drawn on a canvas of their own (Agg), never through the global state of pyplot."""
