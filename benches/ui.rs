//! What the interface costs, as ratios and times of one run.
//!
//! `frame ratio`: a frame in a conversation of 100,000 lines over the same in one of 100 (the aim: at most 1.3, because
//! only what is visible is drawn), while the answer grows and the end is followed, while it grows below a screen that
//! stands in the middle, for a key typed into the composer, and for a row scrolled. `first frame`: from nothing to the
//! first frame on a test backend; the rest of the start is the program's. `patch preview`: from the first line of a hunk,
//! as the model writes it, to the frame that shows it, over the time between two frames (33 ms, at most 1); and a frame
//! of a patch of 10,000 lines over one of 10.
#![allow(clippy::print_stdout)]

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use descant::agent::AgentEvent;
use descant::conversation::CallId;
use descant::tui::model::Msg;
use start::{Screen, median};
use std::time::{Duration, Instant};

#[path = "ui/model.rs"]
mod start;

type Failed = Box<dyn std::error::Error>;

const FRAMES: usize = 1000;
const LINES: usize = 100_000;

fn main() -> Result<(), Failed> {
    let mut short = Conversation::of(100)?;
    let mut long = Conversation::of(LINES)?;
    for scene in [
        Scene::Followed,
        Scene::Middle,
        Scene::Typing,
        Scene::Scrolling,
    ] {
        short.stand(scene)?;
        long.stand(scene)?;
        let (mut short_frames, mut long_frames) = (Vec::new(), Vec::new());
        // Frame by frame in turn, so that a busy moment of the machine falls on both.
        for n in 0..FRAMES {
            short_frames.push(short.frame(scene, n)?);
            long_frames.push(long.frame(scene, n)?);
        }
        let (short, long) = (median(&mut short_frames), median(&mut long_frames));
        println!(
            "frame ratio, {LINES} lines over 100, {}: {:.2} ({:.0} us)",
            scene.name(),
            long / short,
            long * 1e6
        );
    }
    let mut starts = Vec::new();
    for _ in 0..50 {
        let begin = Instant::now();
        Screen::new()?;
        starts.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    println!("model to first frame: {:.2} ms", median(&mut starts));
    preview()
}

/// What happens between two frames.
#[derive(Clone, Copy)]
enum Scene {
    Followed,
    Middle,
    Typing,
    Scrolling,
}

impl Scene {
    fn name(self) -> &'static str {
        match self {
            Scene::Followed => "the end followed",
            Scene::Middle => "in the middle of it",
            Scene::Typing => "a key in the composer",
            Scene::Scrolling => "a row scrolled",
        }
    }
}

/// Between two frames while only the stream moves.
const FRAME: Duration = Duration::from_millis(33);

fn preview() -> Result<(), Failed> {
    let mut first = Vec::new();
    for _ in 0..200 {
        let mut writing = Conversation::of(1_000)?;
        writing.write("*** Begin Patch\n*** Update File: src/main.rs\n@@ fn main()\n")?;
        first.push(writing.write("-    old_line_of_the_hunk();\n")?);
        let screen = writing.0.terminal.backend().to_string();
        if !screen.contains("old_line_of_the_hunk") {
            return Err("the next frame does not show the hunk's first line".into());
        }
    }
    let mut short = Conversation::of(100)?;
    let mut long = Conversation::of(100)?;
    for (writing, lines) in [(&mut short, 10), (&mut long, 10_000)] {
        writing.write("*** Begin Patch\n*** Add File: new.txt\n")?;
        writing.write(&"+a line of the new file\n".repeat(lines))?;
    }
    let (mut short_frames, mut long_frames) = (Vec::new(), Vec::new());
    for _ in 0..FRAMES {
        short_frames.push(short.write("+one more\n")?);
        long_frames.push(long.write("+one more\n")?);
    }
    let first = median(&mut first);
    println!(
        "patch preview, first line to its frame: {:.0} us, {:.3} of a frame",
        first * 1e6,
        first / FRAME.as_secs_f64()
    );
    println!(
        "patch preview ratio, 10,000 lines over 10: {:.2}",
        median(&mut long_frames) / median(&mut short_frames)
    );
    Ok(())
}

struct Conversation(Screen);

impl Conversation {
    /// Half of `lines` in cells of ten lines, half as one answer that still grows.
    fn of(lines: usize) -> Result<Conversation, Failed> {
        let mut this = Conversation(Screen::new()?);
        for n in 0..lines / 20 {
            let text: String = (0..5)
                .map(|line| format!("paragraph {n}, line {line}\n\n"))
                .collect();
            this.say(AgentEvent::AnswerDone { text, last: true });
        }
        for n in 0..lines / 4 {
            this.say(AgentEvent::AnswerDelta(format!(
                "line {n} of the answer\n\n"
            )));
        }
        this.0.draw()?;
        Ok(this)
    }

    /// Brings the screen to where the scene is; the answer's last paragraph is begun.
    fn stand(&mut self, scene: Scene) -> Result<(), Failed> {
        let pane = &mut self.0.model.conversation;
        match scene {
            Scene::Followed | Scene::Typing => pane.follow_tail(),
            Scene::Middle | Scene::Scrolling => {
                let middle = pane.transcript.cells().len() / 2;
                pane.follow_tail();
                pane.show(middle);
            }
        }
        self.0.draw()?;
        if matches!(scene, Scene::Middle | Scene::Scrolling) && self.0.model.conversation.follows()
        {
            return Err("the conversation is no longer than the screen".into());
        }
        Ok(())
    }

    fn say(&mut self, event: AgentEvent) {
        self.0.send(Msg::Agent(event));
    }

    /// Seconds from a piece of a patch to the frame that shows it.
    fn write(&mut self, delta: &str) -> Result<f64, Failed> {
        let begin = Instant::now();
        self.say(AgentEvent::ToolCallDelta {
            call: CallId(1),
            tool: "apply_patch".into(),
            delta: delta.into(),
        });
        self.0.draw()?;
        Ok(begin.elapsed().as_secs_f64())
    }

    /// Seconds from what happens to its frame.
    fn frame(&mut self, scene: Scene, n: usize) -> Result<f64, Failed> {
        let begin = Instant::now();
        match scene {
            Scene::Followed | Scene::Middle => {
                let word = if n % 20 == 19 { "word\n\n" } else { "word " };
                self.say(AgentEvent::AnswerDelta(word.into()));
            }
            Scene::Typing => {
                let code = if n.is_multiple_of(2) {
                    KeyCode::Char('x')
                } else {
                    KeyCode::Backspace
                };
                self.0
                    .send(Msg::Key(KeyEvent::new(code, KeyModifiers::NONE)));
            }
            Scene::Scrolling => {
                self.0
                    .model
                    .conversation
                    .scroll_by(if n.is_multiple_of(2) { 1 } else { -1 })
            }
        }
        self.0.draw()?;
        Ok(begin.elapsed().as_secs_f64())
    }
}
