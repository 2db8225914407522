//! The create request against its golden, and the pure parts that decide on mounts and users.
