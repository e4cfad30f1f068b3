"""What a person asks for, one file each: register, apply, evaluate, demo."""
