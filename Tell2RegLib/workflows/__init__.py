"""The user's tasks, one file each: register, apply, evaluate, validate, calibrate, demo."""
