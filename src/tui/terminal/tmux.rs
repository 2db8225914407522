//! tmux as the way to the clipboard: `tmux load-buffer -w` works with tmux as it comes, where a sequence from a
//! pane is thrown away (`set-clipboard external`).

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

/// How long tmux may take. It answers within milliseconds, or it hangs.
const LIMIT: Duration = Duration::from_secs(3);

/// The user's tmux, by `PATH`. Folders that depend on where we stand are passed over: a repository could bring a
/// tmux of its own.
pub fn find(path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join("tmux"))
        .find(|program| program.is_file())
}

/// Gives `text` to tmux: into its buffer, and on to the terminal's clipboard. `Err`: why not, in a line.
pub async fn load_buffer(program: &Path, text: &str) -> Result<(), String> {
    match timeout(LIMIT, run(program, text)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_elapsed) => Err(format!("no answer within {} seconds", LIMIT.as_secs())),
    }
}

async fn run(program: &Path, text: &str) -> io::Result<()> {
    let mut child = Command::new(program)
        .args(["load-buffer", "-w", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // One that ends early says why.
        let _ = input.write_all(text.as_bytes()).await;
    }
    let output = child.wait_with_output().await?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let line = said.lines().next().unwrap_or_default().trim();
    Err(io::Error::other(if line.is_empty() {
        output.status.to_string()
    } else {
        line.to_owned()
    }))
}

#[cfg(all(test, unix))]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn program(folder: &Path, script: &str) -> PathBuf {
        let path = folder.join("tmux");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn the_first_absolute_folder_of_the_path_that_has_one() {
        let folder = tempfile::tempdir().unwrap();
        let there = program(folder.path(), "true");
        let path = |folders: &[&Path]| find(&std::env::join_paths(folders).unwrap());
        assert_eq!(path(&[Path::new("/nowhere"), folder.path()]), Some(there));
        assert_eq!(
            path(&[Path::new("."), Path::new("bin"), Path::new("")]),
            None
        );
    }

    #[tokio::test]
    async fn it_gets_the_text_and_says_why_not() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept");
        let script = format!("echo \"$@\" > {0}; cat >> {0}", kept.display());
        let tmux = program(folder.path(), &script);
        assert_eq!(load_buffer(&tmux, "one\n-w\ntwo").await, Ok(()));
        assert_eq!(
            std::fs::read_to_string(&kept).unwrap(),
            "load-buffer -w -\none\n-w\ntwo"
        );
        let tmux = program(folder.path(), "echo 'unknown option -- w' >&2; exit 1");
        let long = "x".repeat(1 << 20);
        assert_eq!(
            load_buffer(&tmux, &long).await,
            Err("unknown option -- w".to_owned())
        );
        let tmux = program(folder.path(), "exit 3");
        assert_eq!(
            load_buffer(&tmux, "x").await,
            Err("exit status: 3".to_owned())
        );
        assert!(load_buffer(Path::new("/nowhere/tmux"), "x").await.is_err());
    }
}
