"""Jobs: what runs by the clock or on request, one run at a time, recorded."""
