"""Training callbacks for Pronghorn."""
