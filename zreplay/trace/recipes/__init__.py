"""What the generator can make: kinds of recipes, their files, and ready ones (docs/synth.md is the reference)."""
