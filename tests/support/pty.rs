//! The program in a pseudo-terminal, and the screen a person would see.

use super::Bench;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub struct Pty {
    parser: Arc<Mutex<vt100::Parser>>,
    /// Everything that came, for tests of modes.
    bytes: Arc<Mutex<Vec<u8>>>,
    typed: Box<dyn FnMut(Vec<u8>) + Send>,
    master: Box<dyn MasterPty + Send>,
    pub child: Box<dyn Child + Send + Sync>,
}

/// Hands on what it gets after `delay`, in order; at once without one.
fn delayed(
    delay: Duration,
    mut take: impl FnMut(Vec<u8>) + Send + 'static,
) -> Box<dyn FnMut(Vec<u8>) + Send> {
    if delay.is_zero() {
        return Box::new(take);
    }
    let (sender, receiver) = std::sync::mpsc::channel::<(Instant, Vec<u8>)>();
    std::thread::spawn(move || {
        while let Ok((due, bytes)) = receiver.recv() {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            take(bytes);
        }
    });
    Box::new(move |bytes| {
        let _ = sender.send((Instant::now() + delay, bytes));
    })
}

impl Pty {
    pub fn start(bench: &Bench, rows: u16, cols: u16, args: &[&str]) -> Pty {
        Pty::with(bench, rows, cols, args, &[])
    }

    /// With these variables besides.
    pub fn with(
        bench: &Bench,
        rows: u16,
        cols: u16,
        args: &[&str],
        variables: &[(&str, &str)],
    ) -> Pty {
        let program = env!("CARGO_BIN_EXE_descant");
        Pty::program_in(bench, rows, cols, program, args, variables)
    }

    /// Another program in the same surroundings: a shell, a multiplexer.
    pub fn program(bench: &Bench, rows: u16, cols: u16, program: &str, args: &[&str]) -> Pty {
        Pty::program_in(bench, rows, cols, program, args, &[])
    }

    pub fn program_in(
        bench: &Bench,
        rows: u16,
        cols: u16,
        program: &str,
        args: &[&str],
        variables: &[(&str, &str)],
    ) -> Pty {
        let mut command = CommandBuilder::new(program);
        command.args(args);
        Pty::of(bench, (rows, cols), command, variables, Duration::ZERO)
    }

    /// A terminal at the end of a long line: what either side sends arrives after `delay`.
    pub fn far(bench: &Bench, rows: u16, cols: u16, args: &[&str], delay: Duration) -> Pty {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_descant"));
        command.args(args);
        Pty::of(bench, (rows, cols), command, &[], delay)
    }

    fn of(
        bench: &Bench,
        (rows, cols): (u16, u16),
        mut command: CommandBuilder,
        variables: &[(&str, &str)],
        delay: Duration,
    ) -> Pty {
        let size = PtySize {
            rows,
            cols,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system().openpty(size).unwrap();
        command.cwd(bench.work());
        for (name, value) in bench.environment() {
            command.env(name, value);
        }
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        // What the tester's own terminal says of itself.
        for name in [
            "NO_COLOR",
            "COLORTERM",
            "COLORFGBG",
            "TERM_PROGRAM",
            "TMUX",
            "STY",
            "LC_ALL",
            "LC_CTYPE",
            "ACCESSIBLE",
        ] {
            command.env_remove(name);
        }
        for (name, value) in variables {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let parser = Arc::new(Mutex::new(vt100::Parser::new(cells(rows), cells(cols), 0)));
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (screen, all) = (Arc::clone(&parser), Arc::clone(&bytes));
        let mut shown = delayed(delay, move |bytes: Vec<u8>| {
            screen.lock().unwrap().process(&bytes);
            all.lock().unwrap().extend_from_slice(&bytes);
        });
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                shown(buffer[..n].to_vec());
            }
        });
        let mut writer = pair.master.take_writer().unwrap();
        let typed = delayed(delay, move |bytes: Vec<u8>| {
            // A program that is gone reads nothing any more.
            let _ = writer.write_all(&bytes).and_then(|()| writer.flush());
        });
        Pty {
            parser,
            bytes,
            typed,
            master: pair.master,
            child,
        }
    }

    pub fn send(&mut self, keys: &str) {
        (self.typed)(keys.as_bytes().to_vec());
    }

    pub fn screen(&self) -> String {
        self.parser.lock().unwrap().screen().contents()
    }

    /// Row and column, from 0.
    pub fn cursor(&self) -> (u16, u16) {
        self.parser.lock().unwrap().screen().cursor_position()
    }

    /// How many bytes came so far.
    pub fn received(&self) -> usize {
        self.bytes.lock().unwrap().len()
    }

    /// The screen as a picture.
    pub fn svg(&self, look: &super::picture::Look) -> String {
        super::picture::svg(self.parser.lock().unwrap().screen(), look)
    }

    /// The screen as it is now, for a picture of several.
    pub fn frame(&self) -> vt100::Screen {
        self.parser.lock().unwrap().screen().clone()
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }

    pub fn alternate_screen(&self) -> bool {
        self.parser.lock().unwrap().screen().alternate_screen()
    }

    pub fn resize(&mut self, rows: u16, cols: u16) {
        self.parser
            .lock()
            .unwrap()
            .screen_mut()
            .set_size(cells(rows), cells(cols));
        self.master
            .resize(PtySize {
                rows,
                cols,
                pixel_width: 0,
                pixel_height: 0,
            })
            .unwrap();
    }

    /// Waits until `what` is true of the screen. A deadline for a hung program, not a measure of speed.
    #[track_caller]
    pub fn wait(&mut self, what: &str, until: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let screen = self.screen();
            if until(&screen) {
                return;
            }
            if Instant::now() > deadline {
                panic!("never seen: {what}\n--- screen ---\n{screen}\n--------------");
            }
            std::thread::sleep(Duration::from_millis(15));
        }
    }

    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        self.wait(text, |screen| screen.contains(text));
    }

    /// Waits for the program to end and gives its exit code.
    #[track_caller]
    pub fn wait_exit(&mut self) -> u32 {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                // The reader thread may still hold the last bytes.
                std::thread::sleep(Duration::from_millis(50));
                return status.exit_code();
            }
            assert!(
                Instant::now() < deadline,
                "the program does not end\n{}",
                self.screen()
            );
            std::thread::sleep(Duration::from_millis(15));
        }
    }
}

/// A terminal has at least one row and column.
fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).unwrap()
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}
