//! Which image each name stood for when it was first used: a small file in the state folder.
//!
//! Losing it is no harm: the next use pins anew. So a file that cannot be read or written is logged, never an error.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where pins are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinFile {
    pub path: PathBuf,
    /// `YYYY-MM-DD`: the day a new pin is dated.
    pub today: String,
}

/// One image, as a name stood for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The engine's own id.
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// `YYYY-MM-DD`.
    pub since: String,
}

/// By engine, then by name: the same image has other ids at another engine.
#[derive(Debug, Default, Serialize, Deserialize)]
struct File(BTreeMap<String, BTreeMap<String, Pin>>);

pub(super) struct Pins {
    file: Option<PinFile>,
    engine: String,
}

impl Pins {
    pub(super) fn of(file: Option<&PinFile>, engine: &str) -> Self {
        Self {
            file: file.cloned(),
            engine: engine.to_owned(),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<Pin> {
        let File(mut engines) = self.read();
        engines.remove(&self.engine)?.remove(name)
    }

    /// Keeps it from today on; gives the day, or `None` where that could not be written down.
    pub(super) fn put(&self, name: &str, id: &str, digest: Option<&str>) -> Option<String> {
        let PinFile { path, today } = self.file.as_ref()?;
        let pin = Pin {
            id: id.to_owned(),
            digest: digest.map(str::to_owned),
            since: today.clone(),
        };
        let mut file = self.read();
        let pins = file.0.entry(self.engine.clone()).or_default();
        match pins.get(name) {
            Some(there) if there.id == pin.id => return Some(there.since.clone()),
            Some(_) | None => pins.insert(name.to_owned(), pin),
        };
        match write(path, &file) {
            Ok(()) => Some(today.clone()),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the image could not be pinned");
                None
            }
        }
    }

    fn read(&self) -> File {
        let Some(PinFile { path, .. }) = &self.file else {
            return File::default();
        };
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return File::default(),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "the pinned images could not be read");
                return File::default();
            }
        };
        serde_json::from_slice(&text).unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "the pinned images could not be read");
            File::default()
        })
    }
}

/// Whole or not at all, readable by the user alone.
fn write(path: &Path, file: &File) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    crate::config::create_private_dir(folder)?;
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer_pretty(&mut new, file)?;
    new.write_all(b"\n")?;
    new.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_kept_by_engine_and_name_until_it_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/images.json");
        let file = |path: PathBuf| PinFile {
            path,
            today: "2026-11-21".to_owned(),
        };
        let here = file(path.clone());
        let pins = Pins::of(Some(&here), "/var/run/docker.sock");
        assert_eq!(pins.get("python"), None);
        assert_eq!(
            pins.put("python", "sha256:a", Some("python@sha256:d")),
            Some("2026-11-21".to_owned())
        );
        let pin = pins.get("python").unwrap();
        assert_eq!(
            (pin.id.as_str(), pin.digest.as_deref()),
            ("sha256:a", Some("python@sha256:d"))
        );
        assert_eq!(Pins::of(Some(&here), "/podman.sock").get("python"), None);
        assert_eq!(pins.get("python:3"), None);
        pins.put("python", "sha256:b", None);
        assert_eq!(pins.get("python").unwrap().id, "sha256:b");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        }
        // A file that makes no sense pins nothing, and is replaced.
        std::fs::write(&path, "[1, 2").unwrap();
        assert_eq!(pins.get("python"), None);
        assert!(pins.put("python", "sha256:c", None).is_some());
        assert_eq!(pins.get("python").unwrap().id, "sha256:c");
        // Nowhere to write: nothing is pinned, nothing fails.
        let nowhere = file(path.join("below/a/file"));
        let nowhere = Pins::of(Some(&nowhere), "x");
        assert_eq!(nowhere.put("python", "sha256:c", None), None);
        assert_eq!(Pins::of(None, "x").put("python", "sha256:c", None), None);
    }
}
