"""`orch export`: the results of an experiment in layouts that other people's notebooks read. Cheap to import."""
