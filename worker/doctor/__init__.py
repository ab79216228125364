"""Whether an installation can work, and what to do where it cannot: facts are gathered, then judged, then told."""
