//! What a key in the composer costs, as ratios of one run.
//!
//! `paste`: a key, from the message to the frame, in a composer that holds a folded paste of 1 MB, and one that
//! holds it unfolded, over one in an empty composer. `mention`: a key of an `@` over 100,000 files on the
//! interface's own thread, over a plain key; and the match itself, which runs beside it.
#![allow(clippy::print_stdout)]

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use descant::agent::{AgentEvent, FileList};
use descant::tui::composer::files;
use descant::tui::model::{Effect, Msg};
use start::{Screen, median};
use std::sync::Arc;
use std::time::Instant;

#[path = "ui/model.rs"]
mod start;

const KEYS: usize = 400;
const FILES: usize = 100_000;

type Failed = Box<dyn std::error::Error>;

/// Seconds from a key to its frame, and what it asks for.
fn key(screen: &mut Screen, code: KeyCode) -> Result<(f64, Vec<Effect>), Failed> {
    let key = KeyEvent::new(code, KeyModifiers::NONE);
    let begin = Instant::now();
    let effects = screen.send(Msg::Key(key)).effects;
    screen.draw()?;
    Ok((begin.elapsed().as_secs_f64(), effects))
}

fn main() -> Result<(), Failed> {
    let megabyte = "0123456789abcde\n".repeat(1 << 16);
    let mut empty = Screen::new()?;
    let mut folded = Screen::new()?;
    folded.send(Msg::Paste(megabyte.clone()));
    let mut unfolded = Screen::new()?;
    unfolded.send(Msg::Paste(megabyte));
    unfolded.send(Msg::Key(KeyEvent::new(
        KeyCode::Char('o'),
        KeyModifiers::CONTROL,
    )));
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    // Key by key in turn, so that a busy moment of the machine falls on all.
    for n in 0..KEYS {
        let code = if n.is_multiple_of(2) {
            KeyCode::Char('x')
        } else {
            KeyCode::Backspace
        };
        for (screen, times) in [&mut empty, &mut folded, &mut unfolded]
            .into_iter()
            .zip(&mut times)
        {
            times.push(key(screen, code)?.0);
        }
    }
    let [plain, chip, text] = times.each_mut().map(|times| median(times));
    println!(
        "key with a folded paste of 1 MB, over one in an empty composer: {:.2}",
        chip / plain
    );
    println!(
        "key with the 1 MB unfolded, over one in an empty composer: {:.2}",
        text / plain
    );
    mention(plain)
}

fn mention(plain: f64) -> Result<(), Failed> {
    let paths =
        (0..FILES).map(|n| format!("crates/part{}/src/module{}/file{n}.rs", n % 97, n % 1009));
    let list = Arc::new(FileList {
        paths: paths.collect(),
        whole: true,
    });
    let mut screen = Screen::new()?;
    key(&mut screen, KeyCode::Char('@'))?;
    screen.send(Msg::Agent(AgentEvent::Files(list)));
    let (mut keys, mut matches) = (Vec::new(), Vec::new());
    for n in 0..KEYS / 4 {
        let code = match n % 8 {
            0..4 => KeyCode::Char(['m', 'f', '7', 'r'][n % 4]),
            _ => KeyCode::Backspace,
        };
        let (seconds, effects) = key(&mut screen, code)?;
        keys.push(seconds);
        for effect in effects {
            if let Effect::MatchFiles(wanted) = effect {
                let begin = Instant::now();
                let found = files::best(&wanted.list, &wanted.query, 8, || true);
                matches.push(begin.elapsed().as_secs_f64());
                let found = found.ok_or("the search was given up")?;
                screen.send(Msg::Matched(wanted.generation, found));
            }
        }
    }
    println!(
        "key of an @ over {FILES} files, over a plain key: {:.2}; the match beside it: {:.1} ms",
        median(&mut keys) / plain,
        median(&mut matches) * 1e3
    );
    Ok(())
}
