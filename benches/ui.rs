//! What the interface costs, as ratios and times of one run.
//!
//! `frame ratio`: a frame while the answer grows, in a conversation of 20,000 lines, over the same in one
//! of 100 (the aim: about 1, because only what is visible is drawn). `first frame`: from nothing to the
//! first frame on a test backend; the rest of the start is the program's.
#![allow(clippy::print_stdout)]

use descant::agent::AgentEvent;
use descant::conversation::Effort;
use descant::tui::model::{Model, ModelState, Msg, Status};
use descant::tui::theme::{Theme, ThemeName};
use descant::tui::update::update;
use descant::tui::view::{ViewCache, settle, view};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::time::{Duration, Instant};

const SIZE: (u16, u16) = (120, 40);
const FRAMES: u32 = 400;
const ROUNDS: usize = 7;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut ratios = Vec::new();
    let mut costs = Vec::new();
    // Both lengths in every round, so that a busy moment falls on both.
    for _ in 0..ROUNDS {
        let short = frame_cost(100)?;
        let long = frame_cost(20_000)?;
        ratios.push(long.as_secs_f64() / short.as_secs_f64());
        costs.push(long.as_secs_f64() * 1e6);
    }
    let mut starts = Vec::new();
    for _ in 0..50 {
        let begin = Instant::now();
        let mut model = model()?;
        let mut terminal = Terminal::new(TestBackend::new(SIZE.0, SIZE.1))?;
        draw(&mut model, &mut ViewCache::default(), &mut terminal)?;
        starts.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    println!(
        "frame ratio, 20,000 lines over 100: {:.2}",
        median(&mut ratios)
    );
    println!("frame at 20,000 lines: {:.0} us", median(&mut costs));
    println!("model to first frame: {:.2} ms", median(&mut starts));
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
        tokens_per_second: None,
        context: None,
        branch: Some("main".into()),
        workspace: "project".into(),
        sandbox: None,
    };
    Ok(Model::new(
        SIZE,
        ThemeName::Dark,
        Theme::named(ThemeName::Dark)?,
        status,
    ))
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

/// A frame while the answer of a conversation of `lines` lines grows by a word.
fn frame_cost(lines: usize) -> Result<Duration, Box<dyn std::error::Error>> {
    let mut model = model()?;
    let mut cache = ViewCache::default();
    let mut terminal = Terminal::new(TestBackend::new(SIZE.0, SIZE.1))?;
    let mut say = |model: &mut Model, event| update(model, Msg::Agent(event), Duration::ZERO);
    // Half of it in cells of ten lines, half as one answer that still grows.
    for n in 0..lines / 20 {
        let text: String = (0..5)
            .map(|line| format!("paragraph {n}, line {line}\n\n"))
            .collect();
        say(&mut model, AgentEvent::AnswerDone { text, last: true });
    }
    for n in 0..lines / 2 {
        say(
            &mut model,
            AgentEvent::AnswerDelta(format!("line {n} of the answer\n\n")),
        );
    }
    draw(&mut model, &mut cache, &mut terminal)?;
    let begin = Instant::now();
    for n in 0..FRAMES {
        let word = if n % 20 == 19 { "word\n\n" } else { "word " };
        say(&mut model, AgentEvent::AnswerDelta(word.into()));
        draw(&mut model, &mut cache, &mut terminal)?;
    }
    Ok(begin.elapsed() / FRAMES)
}
