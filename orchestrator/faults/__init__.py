"""One engine of faults: real workers over a folder, struck in every way that plug-ins know, and a count at the end."""
