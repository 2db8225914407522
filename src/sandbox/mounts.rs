//! What the user mounts into the container beside the repository: a package cache, a toolchain. Always read-only.

use std::fmt;
use std::path::{Path, PathBuf};

use bollard::models::Mount;

use super::{EngineLocator, SandboxError, WORKSPACE, request};

/// Places of the container's own; nothing may be mounted over, or into, them.
const TAKEN: [&str; 8] = [
    WORKSPACE,
    "/proc",
    "/sys",
    "/dev",
    "/tmp",
    "/run",
    "/mnt/data",
    "/var/run",
];

/// One entry of `sandbox.mounts`: `SOURCE:TARGET`, or a path that is the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraMount {
    pub source: PathBuf,
    pub target: String,
}

impl ExtraMount {
    /// Reads an entry; `home` is what a leading `~` means. The error says what is wrong with the text.
    pub fn parse(entry: &str, home: Option<&Path>) -> Result<Self, String> {
        let (source, target) = match entry.split_once(':') {
            Some((source, target)) => (source.trim(), Some(target.trim())),
            None => (entry.trim(), None),
        };
        let source = match (source.strip_prefix("~/"), home) {
            (Some(below), Some(home)) => home.join(below),
            (Some(_), None) => return Err("`~` means nothing here: HOME is not set".to_owned()),
            (None, _) => PathBuf::from(source),
        };
        if !source.is_absolute() {
            return Err("its source is not an absolute path".to_owned());
        }
        let target = match target {
            Some(target) => target.to_owned(),
            None => source.to_string_lossy().into_owned(),
        };
        let parts: Vec<&str> = target.split('/').collect();
        let plain = target.starts_with('/')
            && !target.contains([':', '\0'])
            && parts
                .iter()
                .skip(1)
                .all(|part| !matches!(*part, "" | "." | ".."));
        if !plain {
            return Err(format!(
                "its target `{target}` is not an absolute path of the container, such as /cache"
            ));
        }
        let below = |path: &str, folder: &str| {
            path.strip_prefix(folder)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if let Some(taken) = TAKEN
            .iter()
            .find(|taken| below(&target, taken) || below(taken, &target))
        {
            return Err(format!("its target `{target}` is in the way of {taken}"));
        }
        Ok(Self { source, target })
    }

    /// The mount, once its source is known to be there and to hold no more than it should.
    pub(super) fn checked(
        &self,
        engine: &EngineLocator,
        socket: &Option<PathBuf>,
    ) -> Result<Mount, SandboxError> {
        let refused = |reason: String| SandboxError::Mount {
            mount: self.to_string(),
            reason,
        };
        let real = match self.source.canonicalize() {
            Ok(real) => real,
            Err(error) => return Err(refused(format!("its source cannot be opened ({error})"))),
        };
        if !real.is_dir() && !real.is_file() {
            return Err(refused(
                "its source is neither a folder nor a file".to_owned(),
            ));
        }
        match request::check_workspace(&real, engine, socket) {
            Ok(()) => Ok(request::read_only_mount(&real, &self.target)),
            Err(SandboxError::Workspace { reason, .. }) => Err(refused(reason)),
            Err(other) => Err(other),
        }
    }
}

impl fmt::Display for ExtraMount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.source.display(), self.target)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_names_a_source_and_a_place_of_its_own() {
        let home = Path::new("/home/ada");
        let parse = |entry: &str| ExtraMount::parse(entry, Some(home));
        assert_eq!(
            parse("~/.cargo/registry:/cargo/registry").unwrap(),
            ExtraMount {
                source: "/home/ada/.cargo/registry".into(),
                target: "/cargo/registry".into()
            }
        );
        assert_eq!(parse("/opt/sdk").unwrap().target, "/opt/sdk");
        for (entry, why) in [
            ("cache:/c", "not an absolute path"),
            ("/cache:c", "not an absolute path of the container"),
            ("/cache:/a/../b", "not an absolute path of the container"),
            ("/cache:/", "not an absolute path of the container"),
            ("/cache:/a:ro", "not an absolute path of the container"),
            ("/cache:/workspace/x", "in the way of /workspace"),
            ("/cache:/mnt", "in the way of /mnt/data"),
            ("/proc", "in the way of /proc"),
            ("", "not an absolute path"),
        ] {
            let error = parse(entry).unwrap_err();
            assert!(error.contains(why), "{entry}: {error}");
        }
        assert!(
            ExtraMount::parse("~/x:/x", None)
                .unwrap_err()
                .contains("HOME")
        );
    }

    #[test]
    fn a_source_that_is_absent_or_holds_too_much_is_refused() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("cache")).unwrap();
        let engine = EngineLocator {
            home: Some(home.path().to_owned()),
            ..EngineLocator::default()
        };
        let check = |below: &str| {
            let mount = ExtraMount {
                source: home.path().join(below),
                target: "/c".into(),
            };
            mount
                .checked(&engine, &None)
                .map_err(|error| error.to_string())
        };
        assert_eq!(check("cache").unwrap().read_only, Some(true));
        assert!(check("absent").unwrap_err().contains("cannot be opened"));
        assert!(check("").unwrap_err().contains("home folder"));
    }
}
