"""Watch: file events below the sessions folder become changed paths, and the loss of events is noticed."""
