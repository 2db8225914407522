//! Logs go to a file, never to the terminal: `logs/descant.log` in the state folder, readable by the user alone.

use crate::config::{Paths, create_private_dir};
use crate::text::mask::Masker;
use anyhow::Context;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use tracing_subscriber::EnvFilter;

/// Above this the log starts anew, with the old one kept beside it.
const ROTATE_BYTES: u64 = 4 << 20;

/// Installs the subscriber. `verbose` 0 keeps warnings, 1 information, 2 and more everything of ours.
///
/// # Errors
/// When the folder or the file cannot be made.
pub fn init(paths: &Paths, verbose: u8) -> anyhow::Result<()> {
    let file = log_file(paths)?;
    if std::fs::metadata(&file).is_ok_and(|m| m.len() > ROTATE_BYTES) {
        let _ = std::fs::rename(&file, file.with_extension("log.1"));
    }
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let writer = options
        .open(&file)
        .with_context(|| format!("cannot open the log {}", file.display()))?;
    let directives = match verbose {
        0 => "warn",
        1 => "warn,descant=info,mistralrs=info",
        _ => "info,descant=trace",
    };
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(directives))
        .with_ansi(false)
        .with_writer(std::sync::Mutex::new(Masked {
            file: writer,
            masker: None,
        }))
        .init();
    log_panics();
    Ok(())
}

/// The log with secrets masked. Each event comes in one write.
struct Masked {
    file: File,
    /// Made with the first line: most runs log none.
    masker: Option<Masker>,
}

impl Write for Masked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let masker = match &mut self.masker {
            Some(masker) => masker,
            none => none.insert(Masker::new().map_err(io::Error::other)?),
        };
        let text = String::from_utf8_lossy(bytes);
        self.file.write_all(masker.mask(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// mistral.rs panics on some damaged checkpoints, on threads of its own; the engine turns that into an error. Such
/// a panic goes to the log. One of the main thread still speaks on stderr.
fn log_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        tracing::error!("{info}");
        if std::thread::current().name() == Some("main") {
            default(info);
        }
    }));
}

/// Where the log is; makes its folder.
fn log_file(paths: &Paths) -> anyhow::Result<PathBuf> {
    let folder = paths.logs();
    create_private_dir(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    Ok(folder.join("descant.log"))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_no_secret_that_is_known_by_its_shape() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = Masked {
            file: File::create(&path).unwrap(),
            masker: None,
        };
        let token: String = ('a'..='z').chain('0'..='9').collect();
        let line = format!("WARN clone of https://x:ghp_{token}@host failed\n");
        assert_eq!(log.write(line.as_bytes()).unwrap(), line.len());
        let logged = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            logged,
            "WARN clone of https://x:[masked: github token]@host failed\n"
        );
    }
}
