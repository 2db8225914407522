//! The terminal itself: taken, drawn to, given back.
//!
//! Whoever holds a [`Screen`] holds the terminal; dropping it restores every mode it set, and the panic
//! hook does so before the message is printed. All escape sequences that are not ratatui's are here.

pub(super) mod announce;
pub(super) mod clipboard;
pub(super) mod clock;
pub(super) mod input;
pub(super) mod links;
pub(super) mod probe;
pub(super) mod tmux;
pub(super) mod wire;

use crate::tui::model::Model;
use crate::tui::terminal::probe::QUESTIONS;
use crate::tui::terminal::wire::{Sends, Wire};
use crate::tui::view::{self, ViewCache};
use crossterm::cursor::Show;
use crossterm::event::{
    DisableBracketedPaste, EnableBracketedPaste, KeyboardEnhancementFlags,
    PopKeyboardEnhancementFlags, PushKeyboardEnhancementFlags,
};
use crossterm::style::Print;
use crossterm::terminal::{
    EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode,
    enable_raw_mode,
};
use crossterm::{execute, queue};
use ratatui::Terminal;
use std::cell::Cell;
use std::io::{self, BufWriter, Stdout, Write};
use std::panic::PanicHookInfo;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Buttons, the wheel and motion while a button is down; other motion would wake the loop with nothing to do.
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1002h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1002l\x1b[?1000l";

const FOCUS_ON: &str = "\x1b[?1004h";
const FOCUS_OFF: &str = "\x1b[?1004l";

/// Which modes are set, shared with the panic hook.
#[derive(Debug, Default)]
struct Modes {
    taken: AtomicBool,
    keyboard: AtomicBool,
    title: AtomicBool,
    focus: AtomicBool,
}

pub struct Screen {
    terminal: Terminal<Wire<BufWriter<Stdout>>>,
    modes: Arc<Modes>,
    /// The terminal told that it knows the enhanced keyboard.
    keyboard: bool,
    mouse: bool,
}

impl Screen {
    pub fn take(mouse: bool) -> io::Result<Screen> {
        // A frame is one write: the buffer holds the largest.
        let out = BufWriter::with_capacity(128 * 1024, io::stdout());
        let (columns, _) = crossterm::terminal::size()?;
        let mut screen = Screen {
            terminal: Terminal::new(Wire::new(out, columns))?,
            modes: Arc::new(Modes::default()),
            keyboard: false,
            mouse,
        };
        screen.enter()?;
        Ok(screen)
    }

    /// Sets the modes, also after a suspension.
    pub fn enter(&mut self) -> io::Result<()> {
        self.modes.taken.store(true, Ordering::SeqCst);
        enable_raw_mode()?;
        execute!(
            self.terminal.backend_mut(),
            EnterAlternateScreen,
            EnableBracketedPaste,
            Print(if self.mouse { MOUSE_ON } else { "" })
        )?;
        self.forget()?;
        if self.keyboard {
            self.push_keyboard()?;
        }
        Ok(())
    }

    pub fn leave(&mut self) {
        restore(&self.modes);
    }

    /// Takes the mouse, or leaves it to the terminal.
    pub fn set_mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        self.send(if on { MOUSE_ON } else { MOUSE_OFF })
    }

    /// The title, after the terminal kept its own.
    pub fn set_title(&mut self, title: &str) -> io::Result<()> {
        if !self.modes.title.swap(true, Ordering::SeqCst) {
            self.send(announce::KEEP_TITLE)?;
        }
        self.send(&announce::title_sequence(title))
    }

    /// The terminal tells when it gets and loses the focus.
    pub fn tell_focus(&mut self) -> io::Result<()> {
        self.modes.focus.store(true, Ordering::SeqCst);
        self.send(FOCUS_ON)
    }

    /// Prints `text` to the normal screen and leaves it there, to be scrolled and copied by the terminal itself.
    pub fn show_raw(&mut self, text: &str) -> io::Result<()> {
        self.leave();
        self.modes.taken.store(true, Ordering::SeqCst);
        enable_raw_mode()?;
        let lines = text.replace('\n', "\r\n");
        self.send(&format!("{lines}\r\n[any key returns to Descant]\r\n"))
    }

    /// A sequence that draws nothing.
    pub fn send(&mut self, sequence: &str) -> io::Result<()> {
        let out = self.terminal.backend_mut();
        out.write_all(sequence.as_bytes())?;
        Write::flush(out)
    }

    pub fn set_sends(&mut self, sends: Sends) {
        self.terminal.backend_mut().sends = sends;
    }

    pub fn ask(&mut self) -> io::Result<()> {
        let out = self.terminal.backend_mut();
        out.write_all(QUESTIONS)?;
        Write::flush(out)
    }

    pub fn enable_keyboard(&mut self) -> io::Result<()> {
        self.keyboard = true;
        self.push_keyboard()
    }

    fn push_keyboard(&mut self) -> io::Result<()> {
        self.modes.keyboard.store(true, Ordering::SeqCst);
        let flags = KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES;
        execute!(
            self.terminal.backend_mut(),
            PushKeyboardEnhancementFlags(flags)
        )
    }

    pub fn draw(&mut self, model: &mut Model, cache: &mut ViewCache) -> io::Result<()> {
        view::settle(model, cache);
        self.terminal.backend_mut().set_links(cache.links());
        self.terminal
            .draw(|frame| view::view(model, cache, frame))?;
        Ok(())
    }

    /// The next draw is of every cell. (ratatui's `clear` would ask the terminal where its cursor is and
    /// wait for the answer, which the key reader may take.)
    pub fn forget(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())
    }

    /// Prints panics of the interface after the terminal is restored, and hands those of other threads to
    /// `report`, because printing them would only spoil the screen. The hook before is back when the
    /// returned guard is dropped.
    pub fn guard_panics(&self, report: impl Fn(String) + Send + Sync + 'static) -> PanicGuard {
        let previous: Arc<Hook> = Arc::from(std::panic::take_hook());
        let modes = Arc::clone(&self.modes);
        let hook_previous = Arc::clone(&previous);
        std::panic::set_hook(Box::new(move |info| {
            if !modes.taken.load(Ordering::SeqCst) {
                return hook_previous(info);
            }
            if DRAWS_HERE.get() {
                restore(&modes);
                return hook_previous(info);
            }
            let place = info
                .location()
                .map(|l| format!(" at {}:{}", l.file(), l.line()))
                .unwrap_or_default();
            report(format!(
                "{}{place}",
                info.payload_as_str().unwrap_or("a panic without a message")
            ));
        }));
        PanicGuard { previous }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.leave();
    }
}

type Hook = dyn Fn(&PanicHookInfo<'_>) + Send + Sync + 'static;

pub struct PanicGuard {
    previous: Arc<Hook>,
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        // A hook cannot be changed while its thread panics.
        if !std::thread::panicking() {
            let previous = Arc::clone(&self.previous);
            std::panic::set_hook(Box::new(move |info| previous(info)));
        }
    }
}

thread_local! {
    /// The interface's task is being polled on this thread: how the panic hook tells our panic from others.
    static DRAWS_HERE: Cell<bool> = const { Cell::new(false) };
}

/// Runs the interface's future, marking the thread that polls it.
pub async fn marked<T>(future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    std::future::poll_fn(move |context| {
        DRAWS_HERE.set(true);
        let polled = future.as_mut().poll(context);
        DRAWS_HERE.set(false);
        polled
    })
    .await
}

/// Undoes every mode that is set, once; a terminal that is gone is no error any more.
fn restore(modes: &Modes) {
    if !modes.taken.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    if modes.keyboard.swap(false, Ordering::SeqCst) {
        let _ = queue!(out, PopKeyboardEnhancementFlags);
    }
    if modes.title.swap(false, Ordering::SeqCst) {
        let _ = queue!(out, Print(announce::GIVE_TITLE_BACK));
    }
    if modes.focus.swap(false, Ordering::SeqCst) {
        let _ = queue!(out, Print(FOCUS_OFF));
    }
    let _ = queue!(
        out,
        EndSynchronizedUpdate,
        Print(MOUSE_OFF),
        DisableBracketedPaste,
        LeaveAlternateScreen,
        Show
    );
    let _ = out.flush();
    let _ = disable_raw_mode();
}

/// Stops this job as Ctrl+Z does in a shell; returns when it is continued.
#[cfg(unix)]
pub fn stop_job() -> io::Result<()> {
    Ok(rustix::process::kill_current_process_group(
        rustix::process::Signal::TSTP,
    )?)
}

#[cfg(not(unix))]
pub fn stop_job() -> io::Result<()> {
    Ok(())
}

/// What is handed to the editor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edited {
    Hunk,
    Message,
}

/// Lets the user edit `text` with `editor` (a program and its arguments); the text they left.
pub fn edit(editor: &str, text: &str, what: Edited) -> Result<String, String> {
    let (word, suffix) = match what {
        Edited::Hunk => ("hunk", ".diff"),
        Edited::Message => ("message", ".md"),
    };
    let run = || -> io::Result<Result<String, String>> {
        let mut file = tempfile::Builder::new()
            .prefix(&format!("descant-{word}-"))
            .suffix(suffix)
            .tempfile()?;
        file.write_all(text.as_bytes())?;
        file.flush()?;
        let mut words = editor.split_whitespace();
        let program = words.next().unwrap_or("vi");
        let status = match Command::new(program).args(words).arg(file.path()).status() {
            Ok(status) => status,
            Err(error) => {
                return Ok(Err(format!(
                    "the editor `{editor}` did not start: {error}; set $VISUAL or $EDITOR"
                )));
            }
        };
        if !status.success() {
            return Ok(Err(format!(
                "the editor `{editor}` ended with {status}; nothing was changed"
            )));
        }
        read_back(file.path(), word)
    };
    run().unwrap_or_else(|error| {
        Err(format!(
            "the {word} could not be handed to the editor: {error}"
        ))
    })
}

/// The path is read again, not the open file: many editors replace the file.
fn read_back(path: &Path, word: &str) -> io::Result<Result<String, String>> {
    Ok(String::from_utf8(std::fs::read(path)?)
        .map_err(|error| format!("the edited {word} is not UTF-8 ({error}); nothing was changed")))
}
