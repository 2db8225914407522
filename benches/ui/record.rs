//! A long conversation on disk as one of real work would be: reasoning, tool calls with their output, patches with
//! their reviews, answers. Made from a seedless sequence, so that two runs measure the same.

use descant::conversation::{CallId, Item, TokenId, TurnId, Usage};
use descant::harmony::vocab::{CALL, CHANNEL, END, MESSAGE, RETURN, START, Vocabulary};
use descant::patch::Decisions;
use descant::session::{CallEnd, Record, TurnEnd, Writer};
use descant::tools::apply_patch::prepare;
use descant::workspace::Workspace;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Ids of a portion of a stream: 30 ms at 200 tokens/s.
const PORTION: usize = 6;
const WORDS: &[&str] = &[
    "the", "cursor", "of", "a", "journal", "holds", "both", "images", "before", "first", "write",
    "so", "that", "an", "undo", "is", "exact", "while", "reader", "parses", "what", "follows",
    "in", "place", "naïve", "and", "checks", "its", "length", "against", "limit", "which", "keeps",
    "memory", "bounded", "when", "stream", "grows",
];

/// How long to make it.
pub enum Until {
    /// Bytes of the file.
    Bytes(u64),
    /// Tokens of what is in it, generated or told to the model.
    Tokens(usize),
}

/// What was made.
pub struct Made {
    pub id: String,
    pub path: PathBuf,
    pub tokens: usize,
    /// Bytes of the texts in it.
    pub text: usize,
    pub turns: u64,
}

/// The prompt of a turn, by which it can be found on a screen.
pub fn prompt(turn: u64) -> String {
    format!("question {turn:05}: why is the length checked twice?")
}

struct Maker {
    vocabulary: Arc<Vocabulary>,
    writer: Writer,
    next: u64,
    tokens: usize,
    text: usize,
    calls: u64,
}

/// Writes a conversation about `work` into `state`.
pub fn make(state: &Path, work: &Path, until: &Until) -> anyhow::Result<Made> {
    let workspace = Workspace::discover(work)?;
    let file: String = (0..400)
        .map(|n| format!("    let line_{n} = read({n})?;\n"))
        .collect();
    std::fs::write(work.join("long.rs"), file)?;
    let mut maker = Maker {
        vocabulary: Vocabulary::load(state)?,
        writer: Writer::create(state, workspace.root(), "demo", SystemTime::now())?,
        next: 1,
        tokens: 0,
        text: 0,
        calls: 0,
    };
    let mut turns = 0;
    loop {
        turns += 1;
        maker.turn(turns, &workspace)?;
        let enough = match until {
            Until::Bytes(bytes) => std::fs::metadata(maker.writer.path())?.len() >= *bytes,
            Until::Tokens(tokens) => maker.tokens >= *tokens,
        };
        if enough {
            break;
        }
    }
    Ok(Made {
        id: maker.writer.id().to_string(),
        path: maker.writer.path().to_owned(),
        tokens: maker.tokens,
        text: maker.text,
        turns,
    })
}

impl Maker {
    fn random(&mut self, below: usize) -> usize {
        // Knuth's MMIX constants.
        self.next = self
            .next
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.next >> 33).unwrap_or(0) % below
    }

    fn words(&mut self, count: usize) -> String {
        let mut out = String::new();
        for n in 0..count {
            let word = WORDS.get(self.random(WORDS.len())).copied().unwrap_or("a");
            out.push_str(word);
            out.push_str(if n % 90 == 89 { ".\n\n" } else { " " });
        }
        out
    }

    fn code(&mut self, lines: usize) -> String {
        let mut out = String::new();
        for n in 0..lines {
            let (at, word) = (self.random(9000), self.words(3));
            let _ = writeln!(
                out,
                "{n:4}      let value_{at} = table.get({at}).ok_or(Error::Missing)?; // {word}"
            );
        }
        out
    }

    fn put(&mut self, record: &Record) -> anyhow::Result<()> {
        Ok(self.writer.stream(record)?)
    }

    fn item(&mut self, item: Item) -> anyhow::Result<()> {
        if let Item::User { text } | Item::ToolResult { text, .. } = &item {
            self.text += text.len();
            self.tokens += self.vocabulary.encode_text(text).len();
        }
        self.put(&item.into())
    }

    /// A generation of analysis and what follows it.
    fn generation(
        &mut self,
        analysis: &str,
        header: &str,
        body: &str,
        stop: TokenId,
    ) -> anyhow::Result<()> {
        let text = |text: &str| self.vocabulary.encode_text(text);
        let mut tokens = vec![CHANNEL];
        tokens.extend(text("analysis"));
        tokens.push(MESSAGE);
        tokens.extend(text(analysis));
        tokens.extend([END, START]);
        tokens.extend(text("assistant"));
        tokens.push(CHANNEL);
        tokens.extend(text(header));
        tokens.push(MESSAGE);
        tokens.extend(text(body));
        tokens.push(stop);
        self.tokens += tokens.len();
        self.text += analysis.len() + body.len();
        for portion in tokens.chunks(PORTION) {
            self.put(&Record::Tokens {
                tokens: portion.to_vec(),
                last: false,
            })?;
        }
        self.put(&Record::Tokens {
            tokens: Vec::new(),
            last: true,
        })
    }

    fn turn(&mut self, number: u64, workspace: &Workspace) -> anyhow::Result<()> {
        let turn = TurnId(number);
        let prompt = prompt(number);
        self.put(&Record::TurnStarted {
            turn,
            prompt: Some(prompt.clone()),
        })?;
        self.item(Item::User { text: prompt })?;

        let analysis = self.words(180);
        self.generation(
            &analysis,
            "commentary to=functions.read_file json",
            r#"{"path":"long.rs"}"#,
            CALL,
        )?;
        let text = self.code(60);
        self.answered("functions.read_file", text, &[])?;

        let analysis = self.words(120);
        let command = r#"{"command":"cargo test --lib"}"#;
        self.generation(
            &analysis,
            "commentary to=functions.shell json",
            command,
            CALL,
        )?;
        let lines: String = (0..40)
            .map(|n| format!("test part_{n}::\u{1b}[32mcase_{number}\u{1b}[0m ... ok\n"))
            .collect();
        let live: Vec<String> = lines.split_inclusive('\n').map(str::to_owned).collect();
        self.answered("functions.shell", lines, &live)?;

        let at = 10 + self.random(380);
        let patch = format!(
            "*** Begin Patch\n*** Update File: long.rs\n@@\n     let line_{} = read({})?;\n-    let line_{at} = read({at})?;\n+    let line_{at} = read({at}).map_err(Error::from)?;\n*** End Patch\n",
            at - 1,
            at - 1,
        );
        let analysis = self.words(150);
        self.generation(
            &analysis,
            "commentary to=functions.apply_patch",
            &patch,
            CALL,
        )?;
        let plan = prepare(workspace, &patch)?;
        let decisions = Decisions::accept_all(&plan);
        self.put(&Record::Reviewed {
            call: CallId(self.calls + 1),
            checkpoint: Some(number),
            declined: 0,
            plan: serde_json::to_value(&plan)?,
            decisions: serde_json::to_value(&decisions)?,
        })?;
        let told = "Success. Updated the following files:\nM long.rs\n".to_owned();
        self.answered("functions.apply_patch", told, &[])?;

        let mut answer = format!("## What was wrong in {number}\n\n{}", self.words(150));
        let _ = write!(answer, "\n\n```rust\n{}```\n\n", self.code(12));
        for n in 0..6 {
            let _ = writeln!(answer, "- **point {n}**: `{}`", self.words(9));
        }
        let _ = write!(
            answer,
            "\n{}\n\nlast words of answer {number:05}",
            self.words(60)
        );
        let analysis = self.words(60);
        self.generation(&analysis, "final", &answer, RETURN)?;
        self.put(&Record::TurnEnded {
            turn,
            usage: Usage {
                generated_tokens: 900,
                reasoning_tokens: 600,
                ..Usage::default()
            },
            end: TurnEnd::Answered,
            seconds: 21.5,
        })
    }

    fn answered(&mut self, tool: &str, text: String, live: &[String]) -> anyhow::Result<()> {
        self.calls += 1;
        let call = CallId(self.calls);
        for text in live {
            self.put(&Record::Output {
                call,
                text: text.clone(),
            })?;
        }
        self.put(&Record::CallEnded {
            call,
            end: CallEnd::Completed,
            exit_code: None,
            seconds: 0.4,
        })?;
        self.item(Item::ToolResult {
            call,
            tool: tool.to_owned(),
            text,
        })
    }
}
