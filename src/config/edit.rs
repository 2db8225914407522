//! One key of the user's `config.toml` changed on request; comments, order and spelling of the rest stay.

use super::{ConfigError, create_private_dir};
use std::io::Write;
use std::path::Path;
use toml::de::DeTable;
use toml::{Table, Value};

/// Writes `key = "value"` at the top level. The file is replaced as a whole or not at all; a link to it stays.
///
/// # Errors
/// When it is not TOML, or cannot be read or written; it is then as it was.
pub fn set(path: &Path, key: &str, value: &str) -> Result<(), ConfigError> {
    let read = |reason: String| ConfigError::Read {
        place: path.display().to_string(),
        reason,
    };
    let failed = |error: std::io::Error| read(error.to_string());
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(error)),
    };
    let changed = changed(&text, key, value).map_err(read)?;
    let target = std::fs::canonicalize(path).unwrap_or_else(|_new| path.to_owned());
    let folder = target.parent().unwrap_or(Path::new("."));
    if !folder.is_dir() {
        create_private_dir(folder).map_err(failed)?;
    }
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    if let Ok(old) = std::fs::metadata(&target) {
        file.as_file()
            .set_permissions(old.permissions())
            .map_err(failed)?;
    }
    file.write_all(changed.as_bytes())
        .and_then(|()| file.as_file().sync_all())
        .map_err(failed)?;
    file.persist(&target)
        .map(|_file| ())
        .map_err(|error| failed(error.error))
}

/// The text with the key set, and nothing else another way.
fn changed(text: &str, key: &str, value: &str) -> Result<String, String> {
    let old = DeTable::parse(text).map_err(|error| error.to_string())?;
    let value = Value::String(value.to_owned());
    let mut wanted: Table = text
        .parse()
        .map_err(|error: toml::de::Error| error.to_string())?;
    wanted.insert(key.to_owned(), value.clone());
    let candidates = match old.get_ref().get(key) {
        Some(there) => vec![(there.span(), value.to_string())],
        None => {
            let line = format!("{key} = {value}\n");
            // Below the keys without a section, else first of all, where a key always belongs to none.
            let end = top_level_end(text);
            let break_before = match text.get(..end) {
                Some(above) if !above.is_empty() && !above.ends_with('\n') => "\n",
                _ => "",
            };
            vec![(end..end, format!("{break_before}{line}")), (0..0, line)]
        }
    };
    candidates
        .into_iter()
        .filter_map(|(span, new)| {
            let mut changed = text.get(..span.start)?.to_owned();
            changed.push_str(&new);
            changed.push_str(text.get(span.end..)?);
            Some(changed)
        })
        // What looks like a section may be a line of a longer text.
        .find(|changed| changed.parse::<Table>().is_ok_and(|table| table == wanted))
        .ok_or_else(|| format!("the key {key} cannot be set in it; write it by hand"))
}

/// The byte behind the last key above the first section, without the comments that belong to that.
fn top_level_end(text: &str) -> usize {
    let mut end = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim();
        if content.starts_with('[') {
            return end;
        }
        at += line.len();
        if !content.is_empty() && !content.starts_with('#') {
            end = at;
        }
    }
    at
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn everything_else_stays_as_it_was() {
        let rows = [
            ("", "theme = \"light\"\n"),
            (
                "# mine\nmodel = 'x'  # big\n\n[sampling]\ntop_p = 0.9\n",
                "# mine\nmodel = 'x'  # big\ntheme = \"light\"\n\n[sampling]\ntop_p = 0.9\n",
            ),
            (
                "# why\ntheme   =   'dark' # at night\n[sandbox]\n",
                "# why\ntheme   =   \"light\" # at night\n[sandbox]\n",
            ),
            ("effort = 'low'", "effort = 'low'\ntheme = \"light\"\n"),
            ("# none yet\n", "# none yet\ntheme = \"light\"\n"),
            (
                "# box\n[sandbox]\npids = 9\n",
                "theme = \"light\"\n# box\n[sandbox]\npids = 9\n",
            ),
            (
                "model = \"\"\"\n[x]\n\"\"\"\n",
                "theme = \"light\"\nmodel = \"\"\"\n[x]\n\"\"\"\n",
            ),
        ];
        for (before, after) in rows {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("config.toml");
            std::fs::write(&path, before).unwrap();
            set(&path, "theme", "light").unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), after);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_and_the_mode_stay_and_a_broken_file_is_left_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let real = dir.path().join("dotfiles.toml");
        let link = dir.path().join("config.toml");
        std::fs::write(&real, "effort = 'low'\n").unwrap();
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        set(&link, "theme", "light").unwrap();
        assert!(link.is_symlink());
        let text = std::fs::read_to_string(&real).unwrap();
        assert_eq!(text, "effort = 'low'\ntheme = \"light\"\n");
        let mode = std::fs::metadata(&real).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);

        std::fs::write(&real, "effort = ").unwrap();
        let message = set(&link, "theme", "light").unwrap_err().to_string();
        assert!(message.contains("config.toml"), "{message}");
        assert_eq!(std::fs::read_to_string(&real).unwrap(), "effort = ");
    }
}
