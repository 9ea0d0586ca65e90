"""The paper: an encoder, a generator G, a discriminator D over k classes and "fake", and their losses."""
