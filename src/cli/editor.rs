//! The user's own editor, for a text that is part of a question.

use anyhow::{Context, bail};
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Write};

/// The controlling terminal.
const TERMINAL: &str = if cfg!(windows) { "CONIN$" } else { "/dev/tty" };

/// The controlling terminal to read answers from and to write questions to, also when standard input is a pipe.
///
/// # Errors
/// When there is none.
pub(super) fn terminal() -> std::io::Result<(BufReader<File>, File)> {
    let input = File::open(TERMINAL)?;
    let output = OpenOptions::new().write(true).open(TERMINAL)?;
    Ok((BufReader::new(input), output))
}

/// Opens `body` in `editor` (a command line; its words are split at white space, the file comes last) and
/// gives back what was saved. The file has the ending `.diff`, so that editors colour it.
///
/// # Errors
/// When the editor cannot be started or does not exit with 0.
pub fn edit_text(editor: &str, body: &str) -> anyhow::Result<String> {
    let mut file = tempfile::Builder::new()
        .prefix("descant-hunk-")
        .suffix(".diff")
        .tempfile()?;
    file.write_all(body.as_bytes())?;
    file.flush()?;
    let mut words = editor.split_whitespace();
    let program = words.next().context("no editor: set VISUAL or EDITOR")?;
    let mut command = std::process::Command::new(program);
    command.args(words).arg(file.path());
    // Standard input may be the patch or a pipe; an editor wants the terminal.
    if let Ok(terminal) = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(TERMINAL)
    {
        command.stdin(terminal.try_clone()?).stdout(terminal);
    }
    let status = command
        .status()
        .with_context(|| format!("cannot start the editor `{editor}`; set VISUAL or EDITOR"))?;
    if !status.success() {
        bail!("the editor `{editor}` ended with {status}; the hunk is as it was");
    }
    std::fs::read_to_string(file.path()).context("cannot read what the editor saved")
}
