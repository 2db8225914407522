//! The archives that fill a view's volumes, written on a thread and streamed to the engine.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures_util::Stream;
use tar::{Builder, EntryType, Header};
use tokio::sync::{mpsc, oneshot};

use super::{TreeEntry, TreeKind, WorkTree};

/// Pieces on their way; when full, the writer waits for the engine.
const PIECES: usize = 8;
const PIECE: usize = 256 * 1024;

/// Where an archive is written.
pub(super) type Out = Builder<Pipe>;

/// Gathers bytes into pieces for the stream.
pub(super) struct Pipe {
    sender: mpsc::Sender<Result<Bytes, io::Error>>,
    piece: Vec<u8>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = Bytes::from(std::mem::take(&mut self.piece));
        // The engine went away, and says why itself.
        self.sender
            .blocking_send(Ok(piece))
            .map_err(|_gone| io::ErrorKind::BrokenPipe.into())
    }
}

/// Runs `fill` on a blocking thread; the stream is what it writes, the receiver how it ended.
pub(super) fn stream(
    fill: impl FnOnce(&mut Out) -> io::Result<()> + Send + 'static,
) -> (
    impl Stream<Item = Result<Bytes, io::Error>> + Send + 'static,
    oneshot::Receiver<io::Result<()>>,
) {
    let (sender, mut pieces) = mpsc::channel(PIECES);
    let (told, outcome) = oneshot::channel();
    tokio::task::spawn_blocking(move || {
        let pipe = Pipe {
            sender: sender.clone(),
            piece: Vec::new(),
        };
        let mut out = Builder::new(pipe);
        let written = fill(&mut out)
            .and_then(|()| out.into_inner())
            .and_then(|mut pipe| pipe.flush());
        let broken = matches!(&written, Err(error) if error.kind() == io::ErrorKind::BrokenPipe);
        if written.is_err() {
            // An archive that is cut must not be taken for a whole one.
            let _ = sender.blocking_send(Err(io::Error::other("cut")));
        }
        let _ = told.send(if broken { Ok(()) } else { written });
    });
    let stream = futures_util::stream::poll_fn(move |context| pieces.poll_recv(context));
    (stream, outcome)
}

fn append(
    out: &mut Out,
    path: &Path,
    (kind, mode, modified): (EntryType, u32, u64),
    (uid, gid): (u64, u64),
    content: &[u8],
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode & 0o777);
    header.set_mtime(modified);
    header.set_uid(uid);
    header.set_gid(gid);
    header.set_size(content.len() as u64);
    if kind == EntryType::Char {
        header.set_device_major(0)?;
        header.set_device_minor(0)?;
    }
    out.append_data(&mut header, path, content)
}

/// The two layers of an overlay that are not the work tree: an empty upper one, and one with a whiteout for every
/// hidden path. Folders on the way to one have the work tree's modes, because the topmost layer's count.
pub(super) fn layers(
    out: &mut Out,
    root: &Path,
    hidden: &[PathBuf],
    user: (u64, u64),
) -> io::Result<()> {
    let folder = |out: &mut Out, path: &Path, (mode, modified)| {
        append(out, path, (EntryType::Directory, mode, modified), user, &[])
    };
    let of = |path: &Path| attributes(&root.join(path));
    folder(out, Path::new("upper"), of(Path::new("")))?;
    folder(out, Path::new("rest/work"), (0o700, 0))?;
    let hide = Path::new("rest/hide");
    folder(out, hide, of(Path::new("")))?;
    let mut made = BTreeSet::new();
    for path in hidden {
        let above: Vec<&Path> = path.ancestors().skip(1).collect();
        for parent in above.into_iter().rev() {
            if !parent.as_os_str().is_empty() && made.insert(parent.to_owned()) {
                folder(out, &hide.join(parent), of(parent))?;
            }
        }
        append(out, &hide.join(path), (EntryType::Char, 0, 0), user, &[])?;
    }
    Ok(())
}

/// Permission bits, and the time of the last change in seconds since 1970.
fn attributes(path: &Path) -> (u32, u64) {
    const PLAIN: (u32, u64) = (0o755, 0);
    let Ok(found) = std::fs::symlink_metadata(path) else {
        return PLAIN;
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        (found.mode(), u64::try_from(found.mtime()).unwrap_or(0))
    }
    #[cfg(not(unix))]
    {
        let _ = found;
        PLAIN
    }
}

/// The visible work tree, in the folder `view`. A file that went away meanwhile is left out.
pub(super) fn copy(
    out: &mut Out,
    view: &Path,
    tree: &dyn WorkTree,
    entries: &[TreeEntry],
    user: (u64, u64),
) -> io::Result<()> {
    let (mode, modified) = attributes(tree.root());
    let root = (EntryType::Directory, mode | 0o700, modified);
    append(out, view, root, user, &[])?;
    for entry in entries {
        let path = view.join(&entry.path);
        match &entry.kind {
            TreeKind::Folder => {
                let kind = (EntryType::Directory, entry.mode | 0o700, entry.modified);
                append(out, &path, kind, user, &[])?;
            }
            TreeKind::File { .. } => {
                let content = match tree.read(&entry.path) {
                    Ok(content) => content,
                    Err(error) => {
                        tracing::info!(path = entry.path, %error, "not copied into the view");
                        continue;
                    }
                };
                let kind = (EntryType::Regular, entry.mode, entry.modified);
                append(out, &path, kind, user, &content)?;
            }
            TreeKind::Link { target } => {
                let mut header = Header::new_gnu();
                header.set_entry_type(EntryType::Symlink);
                header.set_mode(0o777);
                header.set_uid(user.0);
                header.set_gid(user.1);
                header.set_size(0);
                out.append_link(&mut header, &path, target)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;
    use futures_util::StreamExt;

    async fn written(
        fill: impl FnOnce(&mut Out) -> io::Result<()> + Send + 'static,
    ) -> (Vec<u8>, io::Result<()>) {
        let (mut stream, outcome) = stream(fill);
        let mut bytes = Vec::new();
        while let Some(Ok(piece)) = stream.next().await {
            bytes.extend_from_slice(&piece);
        }
        (bytes, outcome.await.unwrap())
    }

    #[tokio::test]
    async fn a_hidden_path_becomes_a_whiteout_below_its_folders() {
        let root = tempfile::tempdir().unwrap();
        let hidden = [".env", "a/b/.env", "a/target"].map(PathBuf::from);
        let path = root.path().to_owned();
        let (bytes, outcome) = written(move |out| layers(out, &path, &hidden, (7, 8))).await;
        outcome.unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let found: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                let header = entry.header();
                assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (7, 8));
                (
                    entry.path().unwrap().to_string_lossy().into_owned(),
                    header.entry_type(),
                )
            })
            .collect();
        let (folder, whiteout) = (EntryType::Directory, EntryType::Char);
        let expected = [
            ("upper", folder),
            ("rest/work", folder),
            ("rest/hide", folder),
            ("rest/hide/.env", whiteout),
            ("rest/hide/a", folder),
            ("rest/hide/a/b", folder),
            ("rest/hide/a/b/.env", whiteout),
            ("rest/hide/a/target", whiteout),
        ];
        assert_eq!(found, expected.map(|(path, kind)| (path.to_owned(), kind)));
    }

    struct OneFile(tempfile::TempDir);

    impl WorkTree for OneFile {
        fn root(&self) -> &Path {
            self.0.path()
        }
        fn hidden(&self) -> io::Result<Vec<PathBuf>> {
            Ok(Vec::new())
        }
        fn visible(&self) -> io::Result<Vec<TreeEntry>> {
            Ok(Vec::new())
        }
        fn sample(&self, _limit: u64) -> io::Result<Option<String>> {
            Ok(None)
        }
        fn read(&self, _path: &str) -> io::Result<Vec<u8>> {
            Ok(b"text".to_vec())
        }
    }

    #[tokio::test]
    async fn a_copy_names_its_own_folder_first_for_its_owner() {
        for (within, folder, file) in [("view", "view", "view/a"), (".", ".", "a")] {
            let entry = TreeEntry {
                path: "a".to_owned(),
                kind: TreeKind::File { len: 4 },
                mode: 0o644,
                modified: 7,
            };
            let tree = OneFile(tempfile::tempdir().unwrap());
            let (bytes, outcome) = written(move |out| {
                copy(
                    out,
                    Path::new(within),
                    &tree,
                    std::slice::from_ref(&entry),
                    (7, 8),
                )
            })
            .await;
            outcome.unwrap();
            let mut archive = tar::Archive::new(bytes.as_slice());
            let found: Vec<PathBuf> = archive
                .entries()
                .unwrap()
                .map(|entry| entry.unwrap().path().unwrap().into_owned())
                .collect();
            assert_eq!(found, [folder, file].map(PathBuf::from));
        }
    }

    #[tokio::test]
    async fn an_archive_that_could_not_be_written_ends_with_an_error() {
        let (stream, outcome) = stream(|out| {
            append(
                out,
                Path::new("a"),
                (EntryType::Regular, 0o644, 0),
                (0, 0),
                b"x",
            )?;
            Err(io::Error::other("the disk"))
        });
        let pieces: Vec<_> = stream.collect().await;
        assert!(pieces.last().unwrap().is_err());
        assert_eq!(outcome.await.unwrap().unwrap_err().to_string(), "the disk");
    }
}
