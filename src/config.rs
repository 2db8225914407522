//! Configuration: where files are, what the config file, the environment and the flags say.
