"""One file a stage: reads params and inputs, calls the rooms, writes its outputs. Only here are paths and DVC known."""
