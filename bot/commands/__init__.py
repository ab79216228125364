"""What all commands share: how they are typed, checked, and answered when something is wrong."""
