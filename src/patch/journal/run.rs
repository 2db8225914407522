//! One change of files, all or nothing, also across a crash.
//!
//! The order is the guarantee, and each step is durable before the next begins: the images; the record
//! `begin`; the new contents, staged beside the files; then, the files still as expected, all renames and
//! removals; their folders; the record `commit`. Before `begin` nothing was done; between the two records the
//! next start puts everything back (or finds everything done); after `commit` it is done. Within a step
//! nothing waits for the disk alone: what a step wrote is synced together at its end.

use super::record::{Begin, FileRecord, History, Image, Record, RecordedOperation};
use super::recover::remove_folders;
use super::{Journal, JournalError};
use crate::patch::{Change, parallel};
use crate::workspace::{
    FileContent, SYNC_BATCH, Staged, Workspace, WorkspaceError, WorkspacePath, WriteMode,
    sync_staged,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

/// A change to be done and recorded.
#[derive(Debug)]
pub(super) struct Operation {
    pub kind: RecordedOperation,
    /// Of the checkpoint that is undone or redone; that of a new one is the next.
    pub number: Option<u64>,
    pub title: String,
    pub changes: Vec<Change>,
    pub transitions: Vec<Transition>,
    /// The same with the images the checkpoint has already; `None`: they are new.
    pub known: Option<Vec<FileRecord>>,
    /// Removed at the end when they are empty.
    pub emptied: Vec<WorkspacePath>,
}

/// A path from one state to another; `None` where there is no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Transition {
    pub path: WorkspacePath,
    pub before: Option<State>,
    pub after: Option<State>,
}

impl Transition {
    /// The file is as it should be already: a merge can have that result.
    pub(super) fn is_still(&self) -> bool {
        self.before == self.after
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub bytes: Vec<u8>,
    pub mode: Mode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Exact(u32),
    New { executable: bool },
}

impl State {
    pub fn exact(self) -> Self {
        Self {
            mode: Mode::Exact(self.mode()),
            ..self
        }
    }

    /// Its permission bits, as near as they are known.
    pub(crate) fn mode(&self) -> u32 {
        match self.mode {
            Mode::Exact(mode) => mode,
            Mode::New { executable: true } => 0o755,
            Mode::New { executable: false } => 0o644,
        }
    }

    /// Whether a file's permission bits are the state's; those of a new file are the umask's.
    pub(super) fn has_mode(&self, found: u32) -> bool {
        match self.mode {
            Mode::Exact(mode) => mode & 0o777 == found & 0o777,
            Mode::New { .. } => true,
        }
    }

    pub(super) fn write_mode(&self) -> WriteMode {
        match self.mode {
            Mode::Exact(mode) => WriteMode::Exact(mode),
            Mode::New { executable } => WriteMode::New { executable },
        }
    }
}

/// In tests: fail as a crash would (no clean-up) or as a full disk would (with it) before the n-th step.
#[cfg(test)]
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub crash_before: Option<usize>,
    pub fail_before: Option<usize>,
    pub steps: std::sync::atomic::AtomicUsize,
    pub crashed: std::sync::atomic::AtomicBool,
}

#[cfg(test)]
impl Faults {
    /// Shared by the threads that stage: steps are numbered as they come.
    fn point(&self, folder: &std::path::Path) -> Result<(), JournalError> {
        use std::sync::atomic::Ordering::SeqCst;
        let step = Some(self.steps.fetch_add(1, SeqCst));
        if self.crash_before == step {
            self.crashed.store(true, SeqCst);
        } else if self.fail_before != step {
            return Ok(());
        }
        Err(JournalError::Io {
            path: folder.to_owned(),
            doing: "a test",
            source: std::io::Error::from(std::io::ErrorKind::StorageFull),
        })
    }
}

impl Journal {
    /// Does it, or leaves the files as they were. Answers with the checkpoint's number. The caller holds the
    /// lock and has read `history` under it, which afterwards has what was done.
    pub(super) fn run(
        &self,
        workspace: &Workspace,
        history: &mut History,
        operation: Operation,
    ) -> Result<u64, JournalError> {
        let Operation {
            kind,
            number,
            title,
            changes,
            transitions,
            known,
            emptied,
        } = operation;
        parallel::map(&transitions, |transition| glance(workspace, transition))
            .into_iter()
            .collect::<Result<(), _>>()?;
        let number = number.unwrap_or(history.last_number + 1);
        let folders = missing_folders(workspace, &transitions)?;
        let token = format!("{number}-{:016x}", rand::random::<u64>());
        let pinned = known.is_none();
        self.step_point()?;
        let files = match known {
            Some(files) => files,
            None => self.pin(&token, &transitions)?,
        };
        let begin = Begin {
            number,
            operation: kind,
            time: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            title,
            changes,
            files,
            folders,
            token,
            merged: pinned && kind != RecordedOperation::Apply,
        };
        let failed = match self.announce(&begin) {
            Err(error) => error,
            Ok(()) => match self.write(workspace, &begin, &transitions, &emptied) {
                Ok(()) => {
                    history.replay(Record::Begin(begin));
                    history.replay(Record::Commit { number });
                    return Ok(number);
                }
                Err(error) if self.crashed() => return Err(error),
                Err(first) => match self.put_back(workspace, &begin, &transitions) {
                    Ok(_) => first,
                    Err(then) => {
                        return Err(JournalError::HalfDone {
                            first: Box::new(first),
                            then: Box::new(then),
                        });
                    }
                },
            },
        };
        if pinned && !self.crashed() {
            self.store.unpin(&begin.token);
        }
        Err(failed)
    }

    fn announce(&self, begin: &Begin) -> Result<(), JournalError> {
        self.step_point()?;
        self.log.append(&Record::Begin(begin.clone()))
    }

    fn write(
        &self,
        workspace: &Workspace,
        begin: &Begin,
        transitions: &[Transition],
        emptied: &[WorkspacePath],
    ) -> Result<(), JournalError> {
        for folder in &begin.folders {
            self.step_point()?;
            workspace.create_folder(folder)?;
        }
        let mut staged: Vec<(Staged<'_>, bool)> = Vec::new();
        let prepared = self
            .stage_all(workspace, begin, transitions, &mut staged)
            // The last look before the first rename: the user may have saved meanwhile.
            .and_then(|()| expect_all(workspace, begin.operation, transitions));
        let mut staged = staged.into_iter();
        let renamed = prepared.and_then(|()| {
            for (staged, exists) in &mut staged {
                self.step_point()?;
                if exists {
                    staged.replace()?
                } else {
                    staged.create()?
                }
            }
            Ok(())
        });
        if let Err(error) = renamed {
            if !self.crashed() {
                staged.for_each(|(staged, _)| staged.discard());
            }
            return Err(error);
        }
        let changed = || {
            transitions
                .iter()
                .filter(|transition| !transition.is_still())
        };
        for transition in changed().filter(|transition| transition.after.is_none()) {
            self.step_point()?;
            workspace.remove(&transition.path)?;
        }
        self.step_point()?;
        remove_folders(workspace, emptied)?;
        self.step_point()?;
        let files = changed().map(|transition| &transition.path);
        workspace.sync_folders_of(files.chain(&begin.folders).chain(emptied))?;
        self.step_point()?;
        self.log.append(&Record::Commit {
            number: begin.number,
        })
    }

    /// Afterwards the contents are on the disk.
    fn stage_all<'a>(
        &self,
        workspace: &'a Workspace,
        begin: &Begin,
        transitions: &[Transition],
        staged: &mut Vec<(Staged<'a>, bool)>,
    ) -> Result<(), JournalError> {
        let wanted: Vec<(usize, &Transition, &State)> = transitions
            .iter()
            .enumerate()
            .filter(|(_, transition)| !transition.is_still())
            .filter_map(|(index, transition)| Some((index, transition, transition.after.as_ref()?)))
            .collect();
        for batch in wanted.chunks(SYNC_BATCH) {
            #[cfg(test)]
            let (faults, folder) = (&self.faults, &self.folder);
            let results = parallel::map(batch, |(index, transition, after)| {
                #[cfg(test)]
                faults.point(folder)?;
                let (mode, token) = (after.write_mode(), file_token(begin, *index));
                let file = workspace.stage(&transition.path, &after.bytes, mode, &token)?;
                Ok::<_, JournalError>((file, transition.before.is_some()))
            });
            // What failed half way is discarded with the rest.
            let from = staged.len();
            let mut failed = None;
            for result in results {
                match result {
                    Ok(file) => staged.push(file),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
            if let Some(error) = failed {
                return Err(error);
            }
            self.step_point()?;
            let new = staged.get_mut(from..).unwrap_or_default();
            sync_staged(new.iter_mut().map(|(staged, _)| staged))?;
        }
        Ok(())
    }

    /// The images in a pack of their own, on the disk when this returns.
    fn pin(&self, pack: &str, transitions: &[Transition]) -> Result<Vec<FileRecord>, JournalError> {
        let states: Vec<&State> = transitions
            .iter()
            .flat_map(|transition| [&transition.before, &transition.after])
            .flatten()
            .collect();
        let mut images = self.store.pin(pack, &states)?.into_iter();
        let mut image =
            |state: &Option<State>| -> Option<Image> { state.as_ref().and_then(|_| images.next()) };
        Ok(transitions
            .iter()
            .map(|transition| FileRecord {
                path: transition.path.clone(),
                before: image(&transition.before),
                after: image(&transition.after),
            })
            .collect())
    }

    #[cfg(not(test))]
    pub(super) fn step_point(&self) -> Result<(), JournalError> {
        Ok(())
    }

    /// Only in tests: the process is to be taken for dead.
    fn crashed(&self) -> bool {
        #[cfg(test)]
        return self
            .faults
            .crashed
            .load(std::sync::atomic::Ordering::SeqCst);
        #[cfg(not(test))]
        false
    }

    #[cfg(test)]
    pub(super) fn step_point(&self) -> Result<(), JournalError> {
        self.faults.point(&self.folder)
    }
}

pub(super) fn file_token(begin: &Begin, index: usize) -> String {
    format!("{}-{index}", begin.token)
}

/// Whether the file can still be as it was planned, by its length: what changed long ago is found before anything is
/// recorded. The bytes are compared at the last moment.
fn glance(workspace: &Workspace, transition: &Transition) -> Result<(), JournalError> {
    let found = workspace.metadata(&transition.path)?;
    let planned = transition.before.as_ref();
    if found.map(|found| found.len) == planned.map(|state| state.bytes.len() as u64) {
        return Ok(());
    }
    Err(JournalError::Changed {
        path: transition.path.clone(),
    })
}

/// Every file is as it was planned. A patch would also take back a new mode; an undo gives back the one it knows.
fn expect_all(
    workspace: &Workspace,
    kind: RecordedOperation,
    transitions: &[Transition],
) -> Result<(), JournalError> {
    let modes_count = kind == RecordedOperation::Apply;
    parallel::map(transitions, |transition| {
        expect(workspace, transition, modes_count)
    })
    .into_iter()
    .collect()
}

fn expect(
    workspace: &Workspace,
    transition: &Transition,
    modes_count: bool,
) -> Result<(), JournalError> {
    let as_planned = |found: &FileContent| {
        transition.before.as_ref().is_some_and(|state| {
            state.bytes == found.bytes && (!modes_count || state.has_mode(found.mode))
        })
    };
    let state = transition.before.as_ref();
    match workspace.read(&transition.path) {
        Ok(found) if as_planned(&found) => Ok(()),
        Err(WorkspaceError::NotFound { .. }) if state.is_none() => Ok(()),
        Ok(_) | Err(WorkspaceError::NotFound { .. }) => Err(JournalError::Changed {
            path: transition.path.clone(),
        }),
        Err(error) => Err(error.into()),
    }
}

/// Outermost first.
fn missing_folders(
    workspace: &Workspace,
    transitions: &[Transition],
) -> Result<Vec<WorkspacePath>, WorkspaceError> {
    let written = transitions
        .iter()
        .filter(|transition| transition.after.is_some());
    // Looked for once in each folder.
    let one_of_each: BTreeMap<Option<&str>, &WorkspacePath> = written
        .map(|transition| (transition.path.split_name().0, &transition.path))
        .collect();
    let mut folders = BTreeSet::new();
    for path in one_of_each.into_values() {
        folders.extend(workspace.missing_parents(path)?);
    }
    // A folder sorts before what lies in it.
    Ok(folders.into_iter().collect())
}
