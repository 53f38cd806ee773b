"""What people call besides the pipeline, one short file a command. As in `stages`, paths and params.yaml are known."""
