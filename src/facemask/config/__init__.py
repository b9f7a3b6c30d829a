"""Typed configurations: schemas, composition with Hydra, and the checks that run before any work starts."""
