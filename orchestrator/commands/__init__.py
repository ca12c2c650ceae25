"""Commands of the command line, by what they are for; `orchestrator.cli` puts them together."""
