//! The `descant` program; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    point_to_vocabulary();
    descant::app::main()
}

/// `openai-harmony` takes its vocabulary only from a folder that an environment variable names, or from the
/// network. It must be our own folder, and never the network.
#[allow(unsafe_code)]
fn point_to_vocabulary() {
    use descant::harmony::vocab::{ENCODINGS_VARIABLE, encodings_dir};
    if let Some(paths) = descant::config::Paths::from_env() {
        // SAFETY: the first thing `main` does: no other thread exists that could read the environment.
        unsafe { std::env::set_var(ENCODINGS_VARIABLE, encodings_dir(&paths.data)) };
    }
}
