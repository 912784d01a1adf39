"""The long tail of keras.ops for Pronghorn."""
