"""Many runs as one ranking."""
