//! Copying to the clipboard of the machine the terminal runs on: OSC 52, through tmux and screen where one is
//! between us, and a file where the terminal is known not to take it.
//!
//! A terminal does not confirm, so nothing here says that a text *is* in the clipboard. Pure, but for
//! [`keep`], which writes the file.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Bytes of text that every terminal with OSC 52 takes: 100,000 of the whole sequence is the least limit known
/// (hterm), less its frame and the growth of base64.
pub const SAFE: usize = 74_994;
/// Nobody takes more, and tmux drops a sequence of over 1 MiB.
const MOST: usize = 700_000;
/// GNU screen passes device control strings on in pieces of at most this many bytes.
const SCREEN_PIECE: usize = 252;

/// What the environment says about the way to the terminal; read once, at start-up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terminal {
    pub term: String,
    pub term_program: String,
    pub tmux: bool,
    pub screen: bool,
    /// `VTE_VERSION` is set: GNOME Terminal and others on that library, or a program started from one.
    pub vte: bool,
    /// Where tmux is, when it is around us.
    pub tmux_program: Option<PathBuf>,
}

/// How a sequence reaches the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Direct,
    Tmux,
    Screen,
}

impl Terminal {
    pub fn way(&self) -> Way {
        if self.tmux {
            Way::Tmux
        } else if self.screen {
            Way::Screen
        } else {
            Way::Direct
        }
    }

    /// The library VTE takes no OSC 52. A terminal of another kind that was started from one of it has the variable
    /// too, and a name of its own.
    fn is_vte(&self) -> bool {
        let named = self.term.starts_with("xterm-256color") || self.term.starts_with("vte");
        self.vte && named && self.term_program.is_empty()
    }

    /// The terminal is known to have no OSC 52; behind a multiplexer it is not known at all.
    fn lacks_clipboard(&self) -> bool {
        self.way() == Way::Direct
            && (matches!(self.term.as_str(), "linux" | "dumb" | "")
                || self.term_program == "Apple_Terminal"
                || self.is_vte())
    }
}

/// What copying a text takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// For the terminal; empty where it would be of no use.
    pub sequence: String,
    /// Write it to the file as well, or only.
    pub file: bool,
    pub said: Said,
}

/// Why the user is told what they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    Sent(Way),
    /// Sent, and some terminals do not take so much.
    Long,
    /// Too long for any terminal.
    TooLong,
    NoClipboard,
    /// A terminal on VTE, which has no OSC 52.
    Vte,
    /// `tmux load-buffer -w` took it.
    Tmux,
}

/// What is left to do for a copy that tmux took. It passes on no more than the terminal takes.
pub fn taken_by_tmux(text: &str, terminal: &Terminal) -> Plan {
    Plan {
        sequence: String::new(),
        file: text.len() > SAFE || terminal.vte,
        said: Said::Tmux,
    }
}

pub fn plan(text: &str, terminal: &Terminal) -> Plan {
    let (sequence, file, said) = if terminal.lacks_clipboard() {
        let said = match terminal.is_vte() {
            true => Said::Vte,
            false => Said::NoClipboard,
        };
        (String::new(), true, said)
    } else if text.len() > MOST {
        (String::new(), true, Said::TooLong)
    } else if text.len() > SAFE {
        (osc52(text, terminal.way()), true, Said::Long)
    } else {
        let way = terminal.way();
        (osc52(text, way), false, Said::Sent(way))
    };
    Plan {
        sequence,
        file,
        said,
    }
}

fn osc52(text: &str, way: Way) -> String {
    let bare = format!("\x1b]52;c;{}\x07", STANDARD.encode(text));
    match way {
        // Bare for `set-clipboard on`, wrapped for `allow-passthrough on`: a tmux with neither ignores both.
        Way::Tmux => format!("{bare}{}", through(&bare, way)),
        Way::Direct | Way::Screen => through(&bare, way),
    }
}

/// A sequence as it must be sent to come out of the multiplexer on the way.
pub fn through(sequence: &str, way: Way) -> String {
    match way {
        Way::Direct => sequence.to_owned(),
        Way::Tmux => format!("\x1bPtmux;{}\x1b\\", sequence.replace('\x1b', "\x1b\x1b")),
        Way::Screen => {
            let mut out = String::new();
            let mut piece = String::new();
            for c in sequence.chars() {
                piece.push(c);
                if piece.len() >= SCREEN_PIECE {
                    out.push_str(&format!("\x1bP{piece}\x1b\\"));
                    piece.clear();
                }
            }
            if !piece.is_empty() {
                out.push_str(&format!("\x1bP{piece}\x1b\\"));
            }
            out
        }
    }
}

/// What the user is told of a copy of `what`. `kept` is the file, or why there is none; `None` where none was wanted.
pub fn report(
    what: &str,
    bytes: usize,
    said: Said,
    kept: Option<&Result<PathBuf, String>>,
) -> String {
    let size = size(bytes);
    let file = match kept {
        None => String::new(),
        Some(Ok(path)) => path.display().to_string(),
        Some(Err(problem)) => problem.clone(),
    };
    let written = matches!(kept, Some(Ok(_)));
    match said {
        Said::Sent(Way::Direct | Way::Screen) => {
            format!("{what} ({size}): sent to the terminal's clipboard (OSC 52)")
        }
        Said::Sent(Way::Tmux) => format!(
            "{what} ({size}): sent to the terminal's clipboard (OSC 52); tmux passes it on with set-clipboard on"
        ),
        Said::Long if written => format!(
            "{what} ({size}): sent to the terminal's clipboard (OSC 52); some terminals take no more than {SAFE} bytes, so it is in {file} as well"
        ),
        Said::Long => format!(
            "{what} ({size}): sent to the terminal's clipboard (OSC 52); some terminals take no more than {SAFE} bytes, and it could not be kept in a file: {file}"
        ),
        Said::TooLong if written => {
            format!("{what} ({size}) is too long for a terminal's clipboard; it is in {file}")
        }
        Said::Tmux => {
            let kept = match (kept, written) {
                (None, _) => String::new(),
                (Some(_), true) => {
                    format!("; should the terminal not take it, it is in {file} as well")
                }
                (Some(_), false) => format!("; it could not be kept in a file: {file}"),
            };
            format!(
                "{what} ({size}): in tmux's buffer, and sent by tmux to the terminal's clipboard{kept}"
            )
        }
        Said::Vte if written => format!(
            "this terminal (VTE) takes no copy from a program (OSC 52); {what} ({size}) is in {file}"
        ),
        Said::NoClipboard if written => {
            format!("this terminal has no clipboard we could reach; {what} ({size}) is in {file}")
        }
        Said::TooLong | Said::NoClipboard | Said::Vte => {
            format!("{what} ({size}) was not copied: the terminal does not take it, and {file}")
        }
    }
}

fn size(bytes: usize) -> String {
    match bytes {
        1 => "1 byte".to_owned(),
        0..10_000 => format!("{bytes} bytes"),
        _ => format!("{} KiB", bytes / 1024),
    }
}

/// Writes what was copied to `clipboard.txt` in the state folder, over what was there.
pub fn keep(folder: &Path, text: &str) -> io::Result<PathBuf> {
    let path = folder.join("clipboard.txt");
    // A temporary file is 0600 from the start, and a link in its place is replaced, not followed.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(&path).map_err(|error| error.error)?;
    Ok(path)
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

    fn terminal(term: &str, tmux: bool, screen: bool) -> Terminal {
        Terminal {
            term: term.into(),
            tmux,
            screen,
            ..Terminal::default()
        }
    }

    #[test]
    fn sequences() {
        let plain = plan("hi\n", &terminal("xterm-256color", false, false));
        assert_eq!(plain.sequence, "\x1b]52;c;aGkK\x07");
        assert_eq!((plain.file, plain.said), (false, Said::Sent(Way::Direct)));
        let tmux = plan("hi\n", &terminal("tmux-256color", true, false));
        assert_eq!(
            tmux.sequence,
            "\x1b]52;c;aGkK\x07\x1bPtmux;\x1b\x1b]52;c;aGkK\x07\x1b\\"
        );
        let screen = plan("hi\n", &terminal("screen", false, true));
        assert_eq!(screen.sequence, "\x1bP\x1b]52;c;aGkK\x07\x1b\\");
    }

    #[test]
    fn screen_gets_it_in_pieces_that_make_the_whole() {
        let text = "x".repeat(2000);
        let sequence = plan(&text, &terminal("screen", false, true)).sequence;
        let pieces: Vec<&str> = sequence
            .split("\x1b\\")
            .filter(|piece| !piece.is_empty())
            .map(|piece| piece.strip_prefix("\x1bP").unwrap())
            .collect();
        assert!(pieces.len() > 5 && pieces.iter().all(|piece| piece.len() <= SCREEN_PIECE));
        assert_eq!(
            pieces.concat(),
            format!("\x1b]52;c;{}\x07", STANDARD.encode(&text))
        );
    }

    #[test]
    fn what_no_terminal_takes_goes_to_the_file_and_what_some_do_to_both() {
        let xterm = terminal("xterm-256color", false, false);
        for (bytes, sent, file) in [
            (SAFE, true, false),
            (SAFE + 1, true, true),
            (MOST, true, true),
            (MOST + 1, false, true),
        ] {
            let plan = plan(&"x".repeat(bytes), &xterm);
            assert_eq!(
                (!plan.sequence.is_empty(), plan.file),
                (sent, file),
                "{bytes}"
            );
        }
        // The least limit known: 100,000 bytes of sequence.
        assert!(plan(&"x".repeat(SAFE), &xterm).sequence.len() <= 100_000);
        for term in ["linux", "dumb"] {
            let plan = plan("x", &terminal(term, false, false));
            assert_eq!((plan.sequence.as_str(), plan.said), ("", Said::NoClipboard));
        }
        let mac = Terminal {
            term_program: "Apple_Terminal".into(),
            ..xterm.clone()
        };
        assert_eq!(plan("x", &mac).said, Said::NoClipboard);
        let gnome = Terminal { vte: true, ..xterm };
        assert_eq!(plan("x", &gnome).said, Said::Vte);
        // Started from a GNOME Terminal.
        for (term, program) in [("xterm-kitty", ""), ("xterm-256color", "WezTerm")] {
            let other = Terminal {
                term: term.into(),
                term_program: program.into(),
                ..gnome.clone()
            };
            assert_eq!(plan("x", &other).said, Said::Sent(Way::Direct), "{term}");
        }
        let inside = Terminal {
            tmux: true,
            ..gnome
        };
        assert!(taken_by_tmux("x", &inside).file);
    }

    #[test]
    fn nothing_is_claimed_that_nobody_confirmed() {
        let kept = Ok(PathBuf::from("/state/clipboard.txt"));
        let refused: Result<PathBuf, String> = Err("/state: disk full".into());
        let rows = [
            (
                report("the answer", 5, Said::Sent(Way::Direct), None),
                "the answer (5 bytes): sent to the terminal's clipboard (OSC 52)",
            ),
            (
                report("the answer", 80_000, Said::Long, Some(&kept)),
                "the answer (78 KiB): sent to the terminal's clipboard (OSC 52); some terminals take no more than 74994 bytes, so it is in /state/clipboard.txt as well",
            ),
            (
                report("the answer", 1, Said::NoClipboard, Some(&kept)),
                "this terminal has no clipboard we could reach; the answer (1 byte) is in /state/clipboard.txt",
            ),
            (
                report("the answer", 5, Said::Vte, Some(&kept)),
                "this terminal (VTE) takes no copy from a program (OSC 52); the answer (5 bytes) is in /state/clipboard.txt",
            ),
            (
                report("the answer", 5, Said::Tmux, None),
                "the answer (5 bytes): in tmux's buffer, and sent by tmux to the terminal's clipboard",
            ),
            (
                report("it", 800_000, Said::TooLong, Some(&refused)),
                "it (781 KiB) was not copied: the terminal does not take it, and /state: disk full",
            ),
        ];
        for (told, expected) in rows {
            assert_eq!(told, expected);
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_private_and_a_link_is_not_followed() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        std::fs::write(&victim, "mine").unwrap();
        std::os::unix::fs::symlink(&victim, folder.path().join("clipboard.txt")).unwrap();
        let path = keep(folder.path(), "copied").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "copied");
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
