//! A conversation as a document: Markdown, JSON or JSON lines, with secrets masked.
//!
//! What is written is what was shown, from the records. The session file itself keeps the raw text.

mod markdown;

use super::past::{Past, retell};
use super::task::Core;
use super::{AgentEvent, ShellEnd, ToolStatus};
use crate::harmony::vocab::Vocabulary;
use crate::patch::{Decision, Decisions, Plan};
use crate::session::{Head, Loaded, TurnEnd};
use crate::text::mask::Masker;
use markdown::markdown;
use serde::Serialize;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Names that are tried before an export gives up finding a free one.
const NAMES: usize = 1000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Markdown,
    /// One object with the head and all entries.
    Json,
    /// The head, then an entry a line.
    JsonLines,
}

impl Format {
    /// By the ending of the name.
    pub fn of(path: &Path) -> Format {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("json") => Format::Json,
            Some("jsonl" | "ndjson") => Format::JsonLines,
            Some(_) | None => Format::Markdown,
        }
    }
}

/// A thing that was said or done.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Entry {
    User {
        turn: u64,
        text: String,
    },
    Reasoning {
        text: String,
    },
    Answer {
        text: String,
        last: bool,
    },
    Tool {
        tool: String,
        summary: String,
        arguments: String,
        output: String,
        status: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
        seconds: f64,
    },
    /// A command of the user's own.
    Command {
        command: String,
        output: String,
        /// `exited`, `interrupted` or `failed`.
        how: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
        seconds: f64,
    },
    Review {
        diff: String,
        accepted: usize,
        declined: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        checkpoint: Option<u64>,
        notes: Vec<String>,
    },
    Notice {
        text: String,
    },
    Problem {
        text: String,
    },
    TurnEnd {
        how: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        seconds: f64,
        generated_tokens: usize,
    },
}

#[derive(Serialize)]
struct Document<'a> {
    session: &'a Head,
    entries: &'a [Entry],
}

/// A conversation that can be written down.
#[derive(Debug)]
pub struct Exported {
    head: Head,
    entries: Vec<Entry>,
}

impl Exported {
    pub fn new(loaded: &Loaded, vocabulary: &Arc<Vocabulary>, masker: &Masker) -> Exported {
        let mut entries = Vec::new();
        for past in retell(&loaded.records, vocabulary).past {
            push(&mut entries, past, masker);
        }
        Exported {
            head: loaded.head.clone(),
            entries,
        }
    }

    pub fn text(&self, format: Format) -> Result<String, serde_json::Error> {
        match format {
            Format::Markdown => Ok(markdown(&self.head, &self.entries)),
            Format::Json => {
                let document = Document {
                    session: &self.head,
                    entries: &self.entries,
                };
                Ok(serde_json::to_string_pretty(&document)? + "\n")
            }
            Format::JsonLines => {
                let mut out = serde_json::to_string(&self.head)? + "\n";
                for entry in &self.entries {
                    out.push_str(&serde_json::to_string(entry)?);
                    out.push('\n');
                }
                Ok(out)
            }
        }
    }
}

fn push(entries: &mut Vec<Entry>, past: Past, masker: &Masker) {
    let mask = |text: &str| masker.mask(text).into_owned();
    let event = match past {
        Past::Event(event) => event,
        Past::Reviewed {
            plan,
            decisions,
            checkpoint,
            declined,
        } => return entries.push(review(&plan, &decisions, checkpoint, declined, masker)),
        Past::Ended {
            end,
            usage,
            elapsed,
        } => {
            let (how, error) = match end {
                TurnEnd::Answered => ("answered", None),
                TurnEnd::NoAnswer => ("no_answer", None),
                TurnEnd::Failed { error } => ("failed", Some(mask(&error))),
                TurnEnd::Interrupted => ("interrupted", None),
            };
            return entries.push(Entry::TurnEnd {
                how,
                error,
                seconds: elapsed.as_secs_f64(),
                generated_tokens: usage.generated_tokens,
            });
        }
    };
    match event {
        AgentEvent::TurnStarted { turn, prompt } => entries.push(Entry::User {
            turn: turn.0,
            text: mask(&prompt),
        }),
        AgentEvent::ReasoningDone(text) => entries.push(Entry::Reasoning { text: mask(&text) }),
        AgentEvent::AnswerDone { text, last } => entries.push(Entry::Answer {
            text: mask(&text),
            last,
        }),
        AgentEvent::ToolStarted {
            tool,
            arguments,
            summary,
            ..
        } => entries.push(Entry::Tool {
            tool,
            summary: mask(&summary),
            arguments: mask(&arguments),
            output: String::new(),
            status: "running",
            exit_code: None,
            seconds: 0.0,
        }),
        AgentEvent::ToolFinished {
            status: ended,
            output: whole,
            exit_code: code,
            elapsed,
            ..
        } => {
            let last = entries.iter_mut().rev().find_map(|entry| match entry {
                Entry::Tool {
                    output,
                    status,
                    exit_code,
                    seconds,
                    ..
                } => Some((output, status, exit_code, seconds)),
                _ => None,
            });
            if let Some((output, status, exit_code, seconds)) = last {
                *output = mask(&whole);
                *status = match ended {
                    ToolStatus::Completed => "completed",
                    ToolStatus::Failed => "failed",
                    ToolStatus::Declined => "declined",
                };
                *exit_code = code;
                *seconds = elapsed.as_secs_f64();
            }
        }
        AgentEvent::ShellStarted { command, .. } => entries.push(Entry::Command {
            command: mask(&command),
            output: String::new(),
            how: "failed",
            exit_code: None,
            seconds: 0.0,
        }),
        // Told whole, and right after its beginning.
        AgentEvent::ShellOutput { text, .. } => {
            if let Some(Entry::Command { output, .. }) = entries.last_mut() {
                *output = mask(&text);
            }
        }
        AgentEvent::ShellFinished { end, elapsed, .. } => {
            if let Some(Entry::Command {
                how,
                exit_code,
                seconds,
                ..
            }) = entries.last_mut()
            {
                (*how, *exit_code) = match end {
                    ShellEnd::Exited(code) => ("exited", Some(code)),
                    ShellEnd::Interrupted => ("interrupted", None),
                    ShellEnd::Failed => ("failed", None),
                };
                *seconds = elapsed.as_secs_f64();
            }
        }
        AgentEvent::Notice(text) => entries.push(Entry::Notice { text: mask(&text) }),
        AgentEvent::Problem(text) => entries.push(Entry::Problem { text: mask(&text) }),
        // The result says the whole; the rest is not in records.
        _ => {}
    }
}

fn review(
    plan: &Plan,
    decisions: &Decisions,
    checkpoint: Option<u64>,
    declined: usize,
    masker: &Masker,
) -> Entry {
    let mut diff = String::new();
    for file in &plan.files {
        let to = file.target.as_ref().unwrap_or(&file.path);
        let _ = writeln!(diff, "--- {}\n+++ {to}", file.path);
        for hunk in &file.hunks {
            let _ = writeln!(diff, "{} @@", hunk.range());
            for line in &hunk.lines {
                let sign = match line.kind {
                    crate::patch::LineKind::Context => ' ',
                    crate::patch::LineKind::Removed => '-',
                    crate::patch::LineKind::Added => '+',
                };
                let _ = writeln!(diff, "{sign}{}", line.text);
            }
        }
    }
    let all = || decisions.hunks.values().chain(decisions.files.values());
    let notes = all().filter_map(|decision| match decision {
        Decision::Reject { note: Some(note) } => Some(masker.mask(note).into_owned()),
        Decision::Reject { note: None } | Decision::Accept => None,
    });
    Entry::Review {
        diff: masker.mask(&diff).into_owned(),
        accepted: all()
            .filter(|decision| **decision == Decision::Accept)
            .count(),
        declined,
        checkpoint,
        notes: notes.collect(),
    }
}

impl Core {
    /// Writes this conversation, and says where.
    pub(super) async fn export(&mut self, file: Option<PathBuf>) {
        let writer = self.history.writer().filter(|writer| writer.has_begun());
        let Some((path, id)) = writer.map(|w| (w.path().to_owned(), w.id().to_string())) else {
            return self.link.send(AgentEvent::Problem(
                "there is nothing to export yet\n  say something first".into(),
            ));
        };
        let wanted = self
            .desk
            .workspace
            .root()
            .join(file.unwrap_or_else(|| format!("descant-{id}.md").into()));
        let words = self.words.clone();
        let written = tokio::task::spawn_blocking(move || {
            let vocabulary = words().map_err(|error| error.to_string())?;
            let loaded = crate::session::load(&path).map_err(|error| error.to_string())?;
            let masker = Masker::new().map_err(|error| error.to_string())?;
            let text = Exported::new(&loaded, &vocabulary, &masker)
                .text(Format::of(&wanted))
                .map_err(|error| error.to_string())?;
            write_new(&wanted, &text)
        });
        self.link.send(match written.await {
            Ok(Ok(path)) => AgentEvent::Notice(format!(
                "Exported to {} (secrets that were recognised are masked).",
                path.display()
            )),
            Ok(Err(problem)) => AgentEvent::Problem(format!("the export failed: {problem}")),
            Err(error) => {
                AgentEvent::Problem(format!("the export broke off: {error}; this is our bug"))
            }
        });
    }
}

/// Into a file that was not there: `a.md`, else `a-2.md`, `a-3.md`. Gives its path.
fn write_new(wanted: &Path, text: &str) -> Result<PathBuf, String> {
    for number in 1..=NAMES {
        let path = if number == 1 {
            wanted.to_owned()
        } else {
            let stem = wanted.file_stem().unwrap_or_default().to_string_lossy();
            let ending = wanted.extension().map_or_else(String::new, |ending| {
                format!(".{}", ending.to_string_lossy())
            });
            wanted.with_file_name(format!("{stem}-{number}{ending}"))
        };
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        match options.open(&path) {
            Ok(mut file) => {
                return file
                    .write_all(text.as_bytes())
                    .map(|()| path.clone())
                    .map_err(|error| format!("{}: {error}", path.display()));
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(format!(
                    "cannot create {}: {error}\n  name another file: /export FILE",
                    path.display()
                ));
            }
        }
    }
    Err(format!(
        "{} and {NAMES} names like it are taken\n  name another file: /export FILE",
        wanted.display()
    ))
}
