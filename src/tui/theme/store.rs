//! The theme files of the user, and the line of the configuration that names one. The only part that reads a disk.

use super::catalogue::UserFile;
use super::choice::{ThemeMsg, ThemeRequest};
use crate::config;
use std::io::Read;
use std::path::Path;

/// A file longer than this, in bytes, is no theme.
const LONGEST: u64 = 256 << 10;
/// So many files are read; a folder with more is not a folder of themes.
const MOST: usize = 200;

/// `folder` is the one that holds `config.toml`.
pub fn run(request: ThemeRequest, folder: &Path) -> ThemeMsg {
    match request {
        ThemeRequest::Read => ThemeMsg::Read(read(folder)),
        ThemeRequest::Save(name) => {
            let path = folder.join("config.toml");
            let saved = config::set(&path, "theme", &name).map_err(|error| error.to_string());
            ThemeMsg::Saved(saved.map(|()| path.display().to_string()))
        }
    }
}

/// `themes/NAME.toml`, in the order of the names; a folder that is not there holds none.
pub fn read(folder: &Path) -> Vec<UserFile> {
    let Ok(entries) = std::fs::read_dir(folder.join("themes")) else {
        return Vec::new();
    };
    let mut files: Vec<UserFile> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_stem()?.to_str()?.to_owned();
            let is_theme = path.extension().is_some_and(|e| e == "toml") && path.is_file();
            is_theme.then(|| UserFile {
                name,
                text: text(&path).map_err(|error| error.to_string()),
                path: path.display().to_string(),
            })
        })
        .take(MOST)
        .collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

fn text(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let mut file = std::fs::File::open(path)?.take(LONGEST + 1);
    file.read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST {
        return Err(std::io::Error::other("it is longer than 256 KiB"));
    }
    Ok(text)
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
    fn files_are_read_by_name_and_one_that_cannot_be_is_there_with_the_reason() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(read(home.path()), []);
        let themes = home.path().join("themes");
        std::fs::create_dir(&themes).unwrap();
        std::fs::write(themes.join("b.toml"), "about = 'b'").unwrap();
        std::fs::write(themes.join("a.toml"), [0xff]).unwrap();
        std::fs::write(themes.join("note.txt"), "no theme").unwrap();
        std::fs::create_dir(themes.join("c.toml")).unwrap();
        let files = read(home.path());
        let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(files[0].text.as_ref().unwrap_err().contains("UTF-8"));
        assert_eq!(files[1].text.as_deref(), Ok("about = 'b'"));
    }

    #[test]
    fn the_choice_is_written_where_the_configuration_is() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("descant");
        match run(ThemeRequest::Save("light".into()), &folder) {
            ThemeMsg::Saved(Ok(file)) => assert!(file.ends_with("config.toml")),
            other => panic!("{other:?}"),
        }
        let text = std::fs::read_to_string(folder.join("config.toml")).unwrap();
        assert_eq!(text, "theme = \"light\"\n");
    }
}
