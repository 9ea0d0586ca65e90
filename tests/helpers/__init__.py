"""What tests of several rooms share, other than fixtures."""
