//! The folders Descant keeps its files in: XDG variables, else what the platform says, else `DESCANT_HOME`
//! for all of them.

use std::path::{Path, PathBuf};

/// Absolute folders; none is created here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Holds `config.toml`.
    pub config: PathBuf,
    /// Holds `sessions/`, `journal/`, `logs/`, `history`.
    pub state: PathBuf,
    /// Holds the unpacked vocabulary, the demo model and pulled models.
    pub data: PathBuf,
}

impl Paths {
    /// From the environment: `DESCANT_HOME` moves all three together; else the XDG variables; else the
    /// platform's own folders. `None` when there is no home folder either.
    pub fn from_env() -> Option<Paths> {
        let var = |name: &str| {
            std::env::var_os(name)
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        };
        if let Some(home) = var("DESCANT_HOME") {
            let home = std::path::absolute(home).ok()?;
            return Some(Paths {
                config: home.clone(),
                state: home.clone(),
                data: home,
            });
        }
        let platform = directories::ProjectDirs::from("dev", "descant", "descant");
        let pick = |xdg: &str, own: Option<&Path>| {
            // The XDG specification: a relative path in these variables is ignored.
            var(xdg)
                .filter(|p| p.is_absolute())
                .map(|p| p.join("descant"))
                .or(own.map(Path::to_path_buf))
        };
        let dirs = platform.as_ref();
        Some(Paths {
            config: pick("XDG_CONFIG_HOME", dirs.map(|d| d.config_dir()))?,
            state: pick(
                "XDG_STATE_HOME",
                dirs.map(|d| d.state_dir().unwrap_or(d.data_local_dir())),
            )?,
            data: pick("XDG_DATA_HOME", dirs.map(|d| d.data_dir()))?,
        })
    }

    pub fn config_file(&self) -> PathBuf {
        self.config.join("config.toml")
    }

    pub fn logs(&self) -> PathBuf {
        self.state.join("logs")
    }
}

/// Creates a folder, and the missing ones above it, readable by the user alone whatever the umask says.
pub fn create_private_dir(path: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::symlink_metadata(path)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
        }
    }
    Ok(())
}
