"""The same results in less time: packing, attention, dropout and embeddings made for few, short texts."""
