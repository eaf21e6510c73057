"""What `auditkit demo` runs: real data that ships with the package. `README.md` says where each file comes from."""
