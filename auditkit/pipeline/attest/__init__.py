"""The attestation of a finished audit: what it covers, how it is signed, and how it is verified."""
