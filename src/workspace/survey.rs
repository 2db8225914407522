//! What lies in the work tree, and which of it is nobody else's to see: a walk of everything that git would track.
//!
//! Hidden are git's own folders, what git ignores (`.gitignore`, `.git/info/exclude`, the user's global file) and
//! does not track all the same, and what is no file, folder or link. Patterns in `allow` bring ignored files back.
//! The one thing to know: a hidden folder is named once and never walked, so that artefacts cost nothing.

use super::Workspace;
use cap_fs_ext::{
    DirExt as _, FollowSymlinks, MetadataExt as _, OpenOptionsFollowExt as _,
    OpenOptionsSyncExt as _,
};
use cap_std::fs::{Dir, Metadata, OpenOptions};
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A `.gitignore` longer than this is not read on; no real one comes near.
const MAX_RULES: u64 = 1 << 20;

/// What a path is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeenKind {
    Folder,
    File,
    Link { target: String },
}

/// A path of the work tree and what tells whether it changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub kind: SeenKind,
    pub len: u64,
    /// Permission bits.
    pub mode: u32,
    /// Nanoseconds since 1970, as far as the system tells.
    pub modified: i128,
    changed: i128,
    inode: u64,
}

impl Seen {
    /// Whether the two are the same state of a path. A folder's own times say nothing.
    pub fn is_same(&self, other: &Seen) -> bool {
        match (&self.kind, &other.kind) {
            (SeenKind::Folder, SeenKind::Folder) => self.mode == other.mode,
            _ => self == other,
        }
    }
}

/// The state of the work tree at one moment.
#[derive(Debug)]
pub struct Survey {
    /// Relative paths, `/` between the parts; a folder comes before what is in it.
    seen: BTreeMap<String, Seen>,
    hidden: BTreeSet<PathBuf>,
    /// Names in each folder, `""` for the root.
    children: HashMap<String, BTreeSet<String>>,
    rules: Rules,
}

/// The ignore files, by folder.
#[derive(Debug)]
struct Rules {
    folders: HashMap<String, Gitignore>,
    exclude: Gitignore,
    global: Gitignore,
    allow: Gitignore,
    /// The allowed patterns that name a place, without their leading slash.
    places: Vec<String>,
}

impl Workspace {
    /// Walks the work tree. `allow`: patterns as in a `.gitignore`, of ignored files that may be seen.
    ///
    /// # Errors
    /// When the root cannot be read, or a pattern is none.
    pub fn survey(&self, allow: &[String]) -> io::Result<Survey> {
        let mut survey = Survey {
            seen: BTreeMap::new(),
            hidden: BTreeSet::new(),
            children: HashMap::new(),
            rules: Rules {
                folders: HashMap::new(),
                exclude: self.exclude(),
                global: Gitignore::global().0,
                allow: allowed(allow)?,
                places: allow
                    .iter()
                    .map(|pattern| pattern.trim_start_matches('/').to_owned())
                    .collect(),
            },
        };
        let tracked = OnceLock::new();
        let mut walk = Walk {
            workspace: self,
            survey: &mut survey,
            tracked: &tracked,
        };
        walk.folder(&self.dir, "", false)?;
        Ok(survey)
    }

    /// A file for its bytes alone, also one with a second name. Links are not followed.
    pub fn read_seen(&self, path: &str) -> io::Result<Vec<u8>> {
        let (parent, name) = self.parent_of(path)?;
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No).nonblock(true);
        let mut file = parent.open_with(name, &options)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("not a file"));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// What lies at a path now; `None` when nothing does that could be seen.
    pub fn look_at(&self, path: &str) -> Option<Seen> {
        let (parent, name) = self.parent_of(path).ok()?;
        let found = parent.symlink_metadata(name).ok()?;
        seen(&parent, name, &found)
    }

    fn parent_of<'p>(&self, path: &'p str) -> io::Result<(Dir, &'p str)> {
        let mut dir = self.dir.try_clone()?;
        let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
        for part in folders.split('/').filter(|part| !part.is_empty()) {
            dir = dir.open_dir_nofollow(part)?;
        }
        Ok((dir, name))
    }

    fn exclude(&self) -> Gitignore {
        let mut builder = GitignoreBuilder::new("");
        if let Some(repository) = self.repository() {
            let path = repository.commondir().join("info/exclude");
            let is_file = path.symlink_metadata().is_ok_and(|found| found.is_file());
            if is_file && let Ok(text) = std::fs::read_to_string(&path) {
                add_lines(&mut builder, &text);
            }
        }
        builder.build().unwrap_or_else(|_| Gitignore::empty())
    }

    /// Paths of the index, or none where there is none that can be read.
    fn tracked(&self) -> BTreeSet<String> {
        let index = self.repository().and_then(|found| found.index().ok());
        let entries = index.iter().flat_map(|index| index.iter());
        entries
            .map(|entry| String::from_utf8_lossy(&entry.path).into_owned())
            .collect()
    }
}

fn add_lines(builder: &mut GitignoreBuilder, text: &str) {
    for line in text.lines() {
        // What is no pattern ignores nothing, as with git.
        let _ = builder.add_line(None, line);
    }
}

fn allowed(patterns: &[String]) -> io::Result<Gitignore> {
    let mut builder = GitignoreBuilder::new("");
    for pattern in patterns {
        builder
            .add_line(None, pattern)
            .map_err(|error| io::Error::other(format!("the pattern {pattern}: {error}")))?;
    }
    builder.build().map_err(io::Error::other)
}

struct Walk<'a> {
    workspace: &'a Workspace,
    survey: &'a mut Survey,
    tracked: &'a OnceLock<BTreeSet<String>>,
}

impl Walk<'_> {
    /// `ignored`: the folder is, and is walked only for what is tracked or allowed in it.
    fn folder(&mut self, dir: &Dir, path: &str, ignored: bool) -> io::Result<()> {
        if let Some(rules) = rules_in(dir) {
            self.survey.rules.folders.insert(path.to_owned(), rules);
        }
        let mut names = BTreeSet::new();
        let mut below = Vec::new();
        for entry in dir.entries()? {
            let entry = entry?;
            let name = entry.file_name();
            let join = |name: &str| match path {
                "" => name.to_owned(),
                path => format!("{path}/{name}"),
            };
            let Some(text) = name.to_str() else {
                // Its name cannot be said, so rules do not apply; to be safe it is not seen.
                self.survey.hidden.insert(Path::new(path).join(&name));
                continue;
            };
            let full = join(text);
            let found = entry.metadata().ok();
            let found = found.and_then(|found| seen(dir, text, &found));
            let is_folder = matches!(&found, Some(seen) if seen.kind == SeenKind::Folder);
            let git = text.eq_ignore_ascii_case(".git")
                || (is_folder && self.workspace.is_git_dir(&full));
            let Some(found) = found.filter(|_| !git) else {
                self.survey.hidden.insert(PathBuf::from(full));
                continue;
            };
            let unseen = self.unseen(&full, is_folder, ignored);
            if unseen && !(is_folder && self.holds_seen(&full)) {
                self.survey.hidden.insert(PathBuf::from(full));
                continue;
            }
            if is_folder {
                below.push((text.to_owned(), full.clone(), unseen));
            }
            names.insert(text.to_owned());
            self.survey.seen.insert(full, found);
        }
        self.survey.children.insert(path.to_owned(), names);
        for (name, full, ignored) in below {
            // A folder that may not be read: the container may not read it either.
            if let Ok(next) = dir.open_dir_nofollow(&name) {
                let _ = self.folder(&next, &full, ignored);
            }
        }
        Ok(())
    }

    fn unseen(&self, path: &str, is_folder: bool, ignored_above: bool) -> bool {
        let rules = &self.survey.rules;
        let ignored = match rules.matched(path, is_folder) {
            // Nothing brings back what is in an ignored folder, as with git.
            Some(ignored) => ignored || ignored_above,
            None => ignored_above,
        };
        ignored && !rules.allows(path, is_folder) && !self.tracked().contains(path)
    }

    fn tracked(&self) -> &BTreeSet<String> {
        self.tracked.get_or_init(|| self.workspace.tracked())
    }

    /// Whether something in an ignored folder is tracked, or may be allowed.
    fn holds_seen(&self, folder: &str) -> bool {
        let below = format!("{folder}/");
        let tracked = self.tracked().range(below.clone()..).next();
        tracked.is_some_and(|path| path.starts_with(&below))
            || self.survey.rules.may_allow_below(folder)
    }
}

fn rules_in(dir: &Dir) -> Option<Gitignore> {
    let mut options = OpenOptions::new();
    options.read(true).follow(FollowSymlinks::No).nonblock(true);
    let file = dir.open_with(".gitignore", &options).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut text = Vec::new();
    file.take(MAX_RULES).read_to_end(&mut text).ok()?;
    let mut builder = GitignoreBuilder::new("");
    add_lines(&mut builder, &String::from_utf8_lossy(&text));
    builder.build().ok()
}

fn seen(dir: &Dir, name: &str, found: &Metadata) -> Option<Seen> {
    let kind = if found.is_dir() {
        SeenKind::Folder
    } else if found.is_file() {
        SeenKind::File
    } else if found.is_symlink() {
        let target = dir.read_link_contents(name).ok()?;
        SeenKind::Link {
            target: target.to_str()?.to_owned(),
        }
    } else {
        return None;
    };
    let (mode, changed) = unix(found);
    Some(Seen {
        kind,
        len: found.len(),
        mode,
        modified: nanoseconds(found),
        changed,
        inode: found.ino(),
    })
}

fn nanoseconds(found: &Metadata) -> i128 {
    let time = found.modified().map(|time| time.into_std());
    let since = time
        .ok()
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    since.map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(0))
}

#[cfg(unix)]
fn unix(found: &Metadata) -> (u32, i128) {
    use cap_std::fs::MetadataExt as _;
    let changed = i128::from(found.ctime()) * 1_000_000_000 + i128::from(found.ctime_nsec());
    (found.mode() & 0o7777, changed)
}

#[cfg(not(unix))]
fn unix(_: &Metadata) -> (u32, i128) {
    (0o644, 0)
}

impl Rules {
    /// What the closest file with a word on the path says: whether it is ignored.
    fn matched(&self, path: &str, is_folder: bool) -> Option<bool> {
        let slashes = path.rmatch_indices('/').map(|(at, _)| at);
        let below = slashes.filter_map(|at| Some((path.get(..at)?, path.get(at + 1..)?)));
        for (folder, relative) in below.chain([("", path)]) {
            if let Some(rules) = self.folders.get(folder)
                && let Some(word) = word(rules, relative, is_folder)
            {
                return Some(word);
            }
        }
        word(&self.exclude, path, is_folder).or_else(|| word(&self.global, path, is_folder))
    }

    fn allows(&self, path: &str, is_folder: bool) -> bool {
        let mut at = Some(path);
        let mut is_folder = is_folder;
        // An allowed folder allows what is in it.
        while let Some(path) = at {
            if matches!(self.allow.matched(path, is_folder), Match::Ignore(_)) {
                return true;
            }
            at = path.rsplit_once('/').map(|(above, _)| above);
            is_folder = true;
        }
        false
    }

    /// Only a pattern that begins with the folder's name reaches into an ignored folder; walking all of them
    /// for a `*.env` would cost what hiding them saves.
    fn may_allow_below(&self, folder: &str) -> bool {
        self.places.iter().any(|place| {
            place
                .strip_prefix(folder)
                .is_some_and(|rest| rest.starts_with('/'))
        })
    }
}

fn word(rules: &Gitignore, path: &str, is_folder: bool) -> Option<bool> {
    if rules.is_empty() {
        return None;
    }
    match rules.matched(path, is_folder) {
        Match::None => None,
        Match::Ignore(_) => Some(true),
        Match::Whitelist(_) => Some(false),
    }
}

impl Survey {
    /// All that may be seen, a folder before what is in it.
    pub fn seen(&self) -> &BTreeMap<String, Seen> {
        &self.seen
    }

    /// What may not, relative; a folder stands for all that is in it.
    pub fn hidden(&self) -> &BTreeSet<PathBuf> {
        &self.hidden
    }

    /// Names of what may be seen in a folder, `""` for the root.
    pub fn children(&self, folder: &str) -> impl Iterator<Item = &str> {
        let names = self.children.get(folder);
        names.into_iter().flatten().map(String::as_str)
    }

    /// Whether a path that need not exist would be ignored.
    pub fn ignores(&self, path: &str, is_folder: bool) -> bool {
        if self.seen.contains_key(path) {
            return false;
        }
        let mut ignored = false;
        for (at, _) in path.match_indices('/') {
            let folder = path.get(..at).unwrap_or_default();
            ignored |= self.rules.matched(folder, true) == Some(true);
        }
        (ignored || self.rules.matched(path, is_folder) == Some(true))
            && !self.rules.allows(path, is_folder)
    }

    /// Takes over what now lies at a path that was written: the file, or nothing, and the folders above it.
    pub fn refresh(&mut self, workspace: &Workspace, path: &str) {
        for (at, _) in path.match_indices('/') {
            let folder = path.get(..at).unwrap_or_default();
            self.set(folder, workspace.look_at(folder));
        }
        self.set(path, workspace.look_at(path));
    }

    fn set(&mut self, path: &str, found: Option<Seen>) {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let names = self.children.entry(folder.to_owned()).or_default();
        match found {
            Some(found) => {
                names.insert(name.to_owned());
                self.seen.insert(path.to_owned(), found);
            }
            None => {
                names.remove(name);
                self.seen.remove(path);
            }
        }
    }
}
