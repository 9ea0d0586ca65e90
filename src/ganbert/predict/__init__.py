"""A model folder to predictions, in torch or ONNX Runtime; and the export from one to the other."""
