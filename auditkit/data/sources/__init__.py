"""Where rows come from: one file a format, each behind the protocol of `base`."""
