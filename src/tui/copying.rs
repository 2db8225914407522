//! What a copy takes: an item as it came rather than as it is drawn, a block of code, an answer.

use crate::tui::transcript::{Body, Cell, ToolCard, Transcript};

/// A text, and what to call it when the user is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    pub what: String,
    pub text: String,
}

impl Copied {
    fn new(what: impl Into<String>, text: impl Into<String>) -> Copied {
        Copied {
            what: what.into(),
            text: text.into(),
        }
    }
}

/// A fenced block of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeBlock {
    /// As the fence says; empty where it says nothing.
    pub language: String,
    pub text: String,
}

/// The text of an item: of a call its output, else its arguments.
pub fn item(cell: &Cell) -> Copied {
    match &cell.body {
        Body::Prompt(text) => Copied::new("the message", text.clone()),
        Body::Answer { text, .. } => Copied::new("the answer", exact(cell, text)),
        Body::Reasoning { text, .. } => Copied::new("the reasoning", text.clone()),
        Body::Thought(thought) => Copied::new("the message", thought.prompt.clone()),
        Body::Tool(card) => tool(cell, card),
        Body::Diff(card) => Copied::new("the diff", card.plan.unified_diff()),
        Body::Notice(text) | Body::Problem(text) | Body::Aside(text) => {
            Copied::new("the notice", text.clone())
        }
    }
}

fn tool(cell: &Cell, card: &ToolCard) -> Copied {
    let name = card.tool.strip_prefix("functions.").unwrap_or(&card.tool);
    if card.output.is_empty() {
        Copied::new(format!("the call of {name}"), card.arguments.clone())
    } else {
        Copied::new(format!("the output of {name}"), exact(cell, &card.output))
    }
}

fn exact(cell: &Cell, shown: &str) -> String {
    cell.exact.as_deref().unwrap_or(shown).to_owned()
}

/// The newest answer of the model that is there.
pub fn last_answer(transcript: &Transcript) -> Option<usize> {
    transcript
        .cells()
        .iter()
        .rposition(|cell| match &cell.body {
            Body::Answer { text, .. } => !text.trim().is_empty(),
            _ => false,
        })
}

/// The fenced blocks of an answer; none of anything else. One that is not closed ends with the answer.
pub fn code_blocks(cell: &Cell) -> Vec<CodeBlock> {
    let Body::Answer { text, .. } = &cell.body else {
        return Vec::new();
    };
    let text = exact(cell, text);
    let mut out: Vec<CodeBlock> = Vec::new();
    // The mark that closes the open block, and the indentation of its lines.
    let mut open: Option<(String, usize)> = None;
    for line in text.lines() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        match &open {
            Some((mark, inset)) => {
                let end = trimmed.trim_end();
                let closes =
                    end.starts_with(mark.as_str()) && end.chars().all(|c| mark.starts_with(c));
                if closes {
                    open = None;
                } else if let Some(block) = out.last_mut() {
                    block
                        .text
                        .push_str(line.get(indent.min(*inset)..).unwrap_or(line));
                    block.text.push('\n');
                }
            }
            None => {
                let Some(first) = trimmed.chars().next().filter(|c| matches!(c, '`' | '~')) else {
                    continue;
                };
                let info = trimmed.trim_start_matches(first);
                let length = trimmed.len() - info.len();
                if length >= 3 && (first == '~' || !info.contains('`')) {
                    open = Some((first.to_string().repeat(length), indent));
                    out.push(CodeBlock {
                        language: info
                            .split_whitespace()
                            .next()
                            .unwrap_or_default()
                            .to_owned(),
                        text: String::new(),
                    });
                }
            }
        }
    }
    out
}

pub fn code(number: usize, block: &CodeBlock) -> Copied {
    let lines = block.text.lines().count();
    let word = if lines == 1 { "line" } else { "lines" };
    Copied::new(
        format!("code block {number}, {lines} {word}"),
        block.text.clone(),
    )
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
    use crate::conversation::CallId;

    #[test]
    fn an_answer_is_copied_with_its_tabs_and_without_what_acts() {
        let mut transcript = Transcript::default();
        transcript.answer_delta("```make\nall:\n");
        transcript.answer_done("```make\nall:\n\tcc\x1b[2J 👩\u{200d}💻\n```");
        let cell = &transcript.cells()[last_answer(&transcript).unwrap()];
        assert_eq!(item(cell).text, "```make\nall:\n\tcc␛[2J 👩\u{200d}💻\n```");
        assert_eq!(code_blocks(cell)[0].text, "all:\n\tcc␛[2J 👩\u{200d}💻\n");
    }

    #[test]
    fn code_blocks_table() {
        let blocks = |text: &str| -> Vec<(String, String)> {
            let mut transcript = Transcript::default();
            transcript.answer_done(text);
            code_blocks(&transcript.cells()[last_answer(&transcript).unwrap()])
                .into_iter()
                .map(|block| (block.language, block.text))
                .collect()
        };
        let pair = |language: &str, text: &str| (language.to_owned(), text.to_owned());
        for (text, expected) in [
            ("no code", vec![]),
            ("```rust\nfn a() {}\n```", vec![pair("rust", "fn a() {}\n")]),
            (
                "a\n```\nx\n```\nb\n~~~ sh -x\ny\n~~~",
                vec![pair("", "x\n"), pair("sh", "y\n")],
            ),
            (
                "````md\n```\nin\n```\n````",
                vec![pair("md", "```\nin\n```\n")],
            ),
            (
                "- item\n  ```py\n  if x:\n    y\n  ```",
                vec![pair("py", "if x:\n  y\n")],
            ),
            ("```\nopen", vec![pair("", "open\n")]),
            ("`` `inline` ``", vec![]),
        ] {
            assert_eq!(blocks(text), expected, "{text}");
        }
    }

    #[test]
    fn a_call_gives_its_output_else_its_arguments() {
        let mut transcript = Transcript::default();
        transcript.tool(CallId(1), "python", |card| card.append_arguments("1 + 1"));
        assert_eq!(item(&transcript.cells()[0]).text, "1 + 1");
        transcript.tool(CallId(1), "python", |card| card.append_output("2\n"));
        let copied = item(&transcript.cells()[0]);
        assert_eq!(
            (copied.what.as_str(), copied.text.as_str()),
            ("the output of python", "2\n")
        );
    }
}
