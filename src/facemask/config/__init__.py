"""Typed configurations: their keys, how they are composed, and every check before anything runs."""
