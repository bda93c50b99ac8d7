"""The report's comparison: train every method alike, evaluate, and write table, curves and a page."""
