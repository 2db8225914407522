//! What the interface costs, as ratios and times of one run.
//!
//! `frame ratio`: a frame while the answer grows, in a conversation of 20,000 lines, over the same in one
//! of 100 (the aim: about 1, because only what is visible is drawn). `first frame`: from nothing to the
//! first frame on a test backend; the rest of the start is the program's. `patch preview`: from the first line of a hunk,
//! as the model writes it, to the frame that shows it, over the time between two frames (33 ms, at most 1); and a frame
//! of a patch of 10,000 lines over one of 10.
#![allow(clippy::print_stdout)]

use descant::agent::AgentEvent;
use descant::conversation::{CallId, Effort};
use descant::tui::model::{Model, ModelState, Msg, Status};
use descant::tui::theme::catalogue::Themes;
use descant::tui::update::update;
use descant::tui::view::{ViewCache, settle, view};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::time::{Duration, Instant};

const SIZE: (u16, u16) = (120, 40);
const FRAMES: usize = 2000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut short = Conversation::of(100)?;
    let mut long = Conversation::of(20_000)?;
    let (mut short_frames, mut long_frames) = (Vec::new(), Vec::new());
    // Frame by frame in turn, so that a busy moment of the machine falls on both.
    for n in 0..FRAMES {
        short_frames.push(short.frame(n)?);
        long_frames.push(long.frame(n)?);
    }
    let (short, long) = (median(&mut short_frames), median(&mut long_frames));
    let mut starts = Vec::new();
    for _ in 0..50 {
        let begin = Instant::now();
        let mut model = model()?;
        let mut terminal = Terminal::new(TestBackend::new(SIZE.0, SIZE.1))?;
        draw(&mut model, &mut ViewCache::default(), &mut terminal)?;
        starts.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    println!("frame ratio, 20,000 lines over 100: {:.2}", long / short);
    println!("frame at 20,000 lines: {:.0} us", long * 1e6);
    println!("model to first frame: {:.2} ms", median(&mut starts));
    preview()
}

/// Between two frames while only the stream moves.
const FRAME: Duration = Duration::from_millis(33);

fn preview() -> Result<(), Box<dyn std::error::Error>> {
    let mut first = Vec::new();
    for _ in 0..200 {
        let mut writing = Conversation::of(1_000)?;
        writing.write("*** Begin Patch\n*** Update File: src/main.rs\n@@ fn main()\n")?;
        first.push(writing.write("-    old_line_of_the_hunk();\n")?);
        let screen = writing.terminal.backend().to_string();
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

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn model() -> Result<Model, Box<dyn std::error::Error>> {
    let status = Status {
        model: ModelState::Loading {
            name: "demo".into(),
            progress: None,
        },
        effort: Effort::Medium,
        approvals: descant::agent::ApprovalPolicy::Review,
        tokens_per_second: None,
        context: Default::default(),
        branch: Some("main".into()),
        dirty: None,
        workspace: "project".into(),
        sandbox: None,
    };
    Ok(Model::new(SIZE, Themes::fixed("dark"), status))
}

fn draw(
    model: &mut Model,
    cache: &mut ViewCache,
    terminal: &mut Terminal<TestBackend>,
) -> Result<(), Box<dyn std::error::Error>> {
    settle(model, cache);
    terminal.draw(|frame| view(model, cache, frame))?;
    Ok(())
}

struct Conversation {
    model: Model,
    cache: ViewCache,
    terminal: Terminal<TestBackend>,
}

impl Conversation {
    /// Half of `lines` in cells of ten lines, half as one answer that still grows.
    fn of(lines: usize) -> Result<Conversation, Box<dyn std::error::Error>> {
        let mut this = Conversation {
            model: model()?,
            cache: ViewCache::default(),
            terminal: Terminal::new(TestBackend::new(SIZE.0, SIZE.1))?,
        };
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
        draw(&mut this.model, &mut this.cache, &mut this.terminal)?;
        Ok(this)
    }

    fn say(&mut self, event: AgentEvent) {
        update(&mut self.model, Msg::Agent(event), Duration::ZERO);
    }

    /// Seconds from a piece of a patch to the frame that shows it.
    fn write(&mut self, delta: &str) -> Result<f64, Box<dyn std::error::Error>> {
        let begin = Instant::now();
        self.say(AgentEvent::ToolCallDelta {
            call: CallId(1),
            tool: "apply_patch".into(),
            delta: delta.into(),
        });
        draw(&mut self.model, &mut self.cache, &mut self.terminal)?;
        Ok(begin.elapsed().as_secs_f64())
    }

    /// Seconds of a frame in which the answer grew by a word.
    fn frame(&mut self, n: usize) -> Result<f64, Box<dyn std::error::Error>> {
        let word = if n % 20 == 19 { "word\n\n" } else { "word " };
        let begin = Instant::now();
        self.say(AgentEvent::AnswerDelta(word.into()));
        draw(&mut self.model, &mut self.cache, &mut self.terminal)?;
        Ok(begin.elapsed().as_secs_f64())
    }
}
