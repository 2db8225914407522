//! The status bar: one line, the less important left out first.

use crate::agent::SandboxState;
use crate::agent::{ApprovalPolicy, LoadProgress};
use crate::text;
use crate::tui::model::{Activity, Model, ModelState, Purpose};
use crate::tui::render::wrap;
use crate::tui::transcript::cells;
use ratatui::text::{Line, Span};
use std::time::Duration;

/// Columns of a reason why python is not there, when there is room; with fewer than the least it is left out.
const REASON: usize = 40;
const REASON_LEAST: usize = 8;

/// The rank of the container's state when it is missing.
const PYTHON: u8 = 3;

/// What the user must not forget.
const AUTO: &str = "unreviewed patches";

struct Segment {
    text: String,
    /// What is left out last is 0.
    rank: u8,
    strong: bool,
    warns: bool,
    /// Bytes of `text` that must be shown; what follows takes the room there is.
    fixed: usize,
}

pub fn line(model: &Model, width: u16) -> Line<'static> {
    let width = usize::from(width);
    if let Some(said) = &model.look.said {
        let said = wrap::clip(said, width.saturating_sub(2));
        let fill = width.saturating_sub(wrap::width(&said) + 1);
        return Line::styled(
            format!(" {said}{}", " ".repeat(fill)),
            model.theme.status_strong,
        );
    }
    let mut segments = segments(model);
    let total = |segments: &[Segment]| -> usize {
        segments
            .iter()
            .map(|s| wrap::width(&s.text) + 3)
            .sum::<usize>()
            .saturating_sub(1)
    };
    let reason = segments.iter().position(|s| s.fixed < s.text.len());
    let mut rest = String::new();
    if let Some(at) = reason {
        let fixed = segments[at].fixed;
        rest = segments[at].text.split_off(fixed);
    }
    while total(&segments) > width && segments.len() > 1 {
        let worst = segments.iter().map(|s| s.rank).max().unwrap_or_default();
        // What is left is cut at the end of the line.
        if worst == 0 {
            break;
        }
        segments.retain(|s| s.rank != worst);
    }
    let room = width.saturating_sub(total(&segments)).min(REASON);
    if let Some(segment) = segments
        .iter_mut()
        .find(|s| s.fixed == s.text.len() && s.rank == PYTHON)
        && room >= REASON_LEAST
    {
        segment.text.push_str(&wrap::clip(&rest, room));
    }
    let theme = &model.theme;
    let mut spans = vec![Span::styled(" ", theme.status)];
    for (n, segment) in segments.iter().enumerate() {
        if n > 0 {
            spans.push(Span::styled(" \u{b7} ", theme.status));
        }
        let style = if segment.warns {
            theme.status_strong.patch(theme.warn)
        } else if segment.strong {
            theme.status_strong
        } else {
            theme.status
        };
        spans.push(Span::styled(
            wrap::clip(&segment.text, width.saturating_sub(2)),
            style,
        ));
    }
    let used: usize = spans.iter().map(|s| wrap::width(&s.content)).sum();
    spans.push(Span::styled(
        " ".repeat(width.saturating_sub(used)),
        theme.status,
    ));
    Line::from(spans)
}

fn segments(model: &Model) -> Vec<Segment> {
    let status = &model.status;
    let mut out = Vec::new();
    let mut add = |rank, strong, text: String| {
        let fixed = text.len();
        let warns = text == AUTO;
        out.push(Segment {
            text,
            rank,
            strong,
            warns,
            fixed,
        });
    };
    if model.purpose == Purpose::Review {
        add(0, true, "descant apply".to_owned());
        add(1, false, status.workspace.clone());
        if let Some(branch) = &status.branch {
            add(2, false, text::label(branch));
        }
        return out;
    }
    match status.approvals {
        ApprovalPolicy::Review => {}
        ApprovalPolicy::ApplyAll => add(0, true, AUTO.to_owned()),
        ApprovalPolicy::ProposeOnly => add(1, true, "proposes only".to_owned()),
    }
    add(
        0,
        true,
        match &status.model {
            ModelState::Loading { name, progress } => loading(name, progress.as_ref()),
            ready @ ModelState::Ready { .. } => ready.shown(),
            ModelState::Failed { name } => format!("{} failed to load", text::label(name)),
            ModelState::Resting { name } => format!("{} not loaded", text::label(name)),
        },
    );
    if let Some(running) = &model.running {
        let what = match &running.activity {
            _ if model.review.is_some() => "waiting for your review".to_owned(),
            _ if running.interrupting => "interrupting".to_owned(),
            Activity::Waiting => "working".to_owned(),
            Activity::Prefill { done: 0, total } => format!("reading {total} tokens"),
            Activity::Prefill { done, total } => format!("reading {done}/{total} tokens"),
            Activity::Thinking => "thinking".to_owned(),
            Activity::Answering => "answering".to_owned(),
            Activity::Writing(tool) => format!("writing {}", short(tool)),
            Activity::Tool(tool) => format!("running {}", short(tool)),
        };
        let elapsed = model.clock.now.saturating_sub(running.since);
        let elapsed = if elapsed.as_secs() > 0 && model.review.is_none() {
            format!(" {}", cells::seconds(elapsed))
        } else {
            String::new()
        };
        add(1, true, format!("{what}{elapsed}"));
    }
    add(4, false, status.effort.as_str().to_owned());
    if let Some(speed) = status.tokens_per_second {
        add(6, false, format!("{speed:.1} tok/s"));
    }
    let used = status.context.used();
    match status.context.told.limit {
        Some(limit) => add(2, false, format!("ctx {used}/{limit}")),
        None if used > 0 => add(2, false, format!("ctx {used}")),
        None => {}
    }
    if let Some(branch) = &status.branch {
        let mark = if status.dirty == Some(true) { "*" } else { "" };
        add(
            5,
            false,
            format!("{}{mark}", wrap::clip(&text::label(branch), 24)),
        );
    }
    if let Some(pull) = &model.pull {
        let name = pull.repo.rsplit('/').next().unwrap_or(&pull.repo);
        add(
            1,
            false,
            format!("{}: {}", text::label(name), text::label(&pull.in_words())),
        );
    }
    match &status.sandbox {
        None => {}
        Some(SandboxState::Starting) => add(7, false, "container starting".to_owned()),
        // What the user waits for, and may want to cancel.
        Some(SandboxState::Fetching(progress)) => {
            add(1, false, text::label(&progress.to_string()));
        }
        Some(SandboxState::Ready { description }) => {
            let (network, container) = match description.strip_prefix("network on: ") {
                Some(container) => (true, container),
                None => (false, description.as_str()),
            };
            if network {
                add(1, true, "network on".to_owned());
            }
            add(7, false, wrap::clip(&text::label(container), 32));
        }
        Some(SandboxState::Unavailable { reason }) => {
            let first = reason.lines().next().unwrap_or_default();
            let first = first.strip_prefix("no container engine: ").unwrap_or(first);
            out.push(Segment {
                text: format!("no python: {}", text::label(first)),
                rank: PYTHON,
                strong: false,
                warns: false,
                fixed: "no python".len(),
            });
        }
    }
    out
}

fn short(tool: &str) -> &str {
    tool.strip_prefix("functions.").unwrap_or(tool)
}

fn loading(name: &str, progress: Option<&LoadProgress>) -> String {
    let name = text::label(name);
    match progress {
        None => format!("loading {name}"),
        Some(LoadProgress {
            stage, bytes: None, ..
        }) => format!("loading {name}: {stage}"),
        Some(LoadProgress {
            stage,
            bytes: Some((done, total)),
            elapsed,
        }) => {
            let left = time_left(*done, *total, *elapsed);
            let mib = |bytes: u64| bytes / (1024 * 1024);
            let percent = done.saturating_mul(100).checked_div(*total).unwrap_or(0);
            if mib(*total) == 0 {
                format!("loading {name}: {stage} {percent}%{left}")
            } else {
                format!(
                    "loading {name}: {stage} {percent}% ({}/{} MiB){left}",
                    mib(*done),
                    mib(*total)
                )
            }
        }
    }
}

/// Nothing in the first second, which says little of the rest.
fn time_left(done: u64, total: u64, elapsed: Duration) -> String {
    if elapsed < Duration::from_secs(1) || done == 0 || done >= total {
        return String::new();
    }
    let left = elapsed.mul_f64((total - done) as f64 / done as f64);
    format!(", {} left", cells::seconds(left))
}
