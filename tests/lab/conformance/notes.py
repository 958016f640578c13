"""What has to be said beside a fail of the matrix, so that it is not misread: (daemon, case): text.
Each was looked up in the daemon's own log or documentation."""

NOTES = {}
