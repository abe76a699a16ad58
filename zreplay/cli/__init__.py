"""One file per verb: options, a call, printing."""
