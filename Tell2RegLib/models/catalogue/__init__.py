"""Which weights exist, which are installed, and how they are downloaded, imported and verified."""
