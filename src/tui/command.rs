//! The slash commands: one row each, for parsing, completion, the palette, help and the docs.

mod nearest;

pub use nearest::nearest;

use crate::agent::ApprovalPolicy;
use crate::config::Asking;
use crate::conversation::Effort;
use crate::patch::OnChanged;

/// What the user wants. Without its argument a command that has one asks for it, or means the usual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    Help,
    Model(Option<String>),
    Effort(Option<Effort>),
    /// `key=value`, or say how it is.
    Sampling(Option<String>),
    Approvals(Option<ApprovalPolicy>),
    /// The settings that the repository brings: use them, leave them, or say what they are.
    Trust(Option<bool>),
    /// A model to download, or what to do about a download.
    Pull(Option<String>),
    Diff,
    Undo(OnChanged),
    Redo(OnChanged),
    /// The user's own instructions for the summary.
    Compact(Option<String>),
    Rewind,
    /// The last answer, or a block of its code.
    Copy(Option<String>),
    Export(Option<String>),
    Resume(Option<String>),
    Fork,
    New,
    Theme(Option<String>),
    Reasoning,
    Keys,
    Mouse,
    Raw,
    Status,
    Doctor,
    /// What to change about the container.
    Sandbox(Option<String>),
    Quit,
}

/// What may follow a command's name. It may always be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    None,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Text to the end of the line: what docs call it, and what completion offers.
    Text(&'static str, &'static [&'static str]),
}

/// A row of the table.
#[derive(Debug)]
pub struct Spec {
    pub name: &'static str,
    /// Other names it answers to.
    pub aliases: &'static [&'static str],
    pub argument: Argument,
    pub doc: &'static str,
}

const fn row(
    name: &'static str,
    aliases: &'static [&'static str],
    argument: Argument,
    doc: &'static str,
) -> Spec {
    Spec {
        name,
        aliases,
        argument,
        doc,
    }
}

/// What happens to files that changed since.
const MERGE: Argument = Argument::Word(&["merge", "markers"]);
const EFFORTS: Argument = Argument::Word(&["low", "medium", "high"]);
const SAMPLING: Argument = Argument::Text(
    "KEY=VALUE",
    &[
        "temperature=",
        "top_p=",
        "min_p=",
        "seed=",
        "reasoning_budget=",
        "repetition_guard=",
        "stop=",
        "grammar=",
        "max_output_tokens=",
    ],
);
const APPROVALS: Argument = Argument::Word(&["ask", "auto", "none"]);
const TRUST: Argument = Argument::Word(&["yes", "no"]);
const MODELS: Argument = Argument::Text("MODEL", &["demo", "gpt-oss-20b", "gpt-oss-120b"]);
const PULL: Argument = Argument::Text("MODEL", &["gpt-oss-20b", "gpt-oss-120b", "yes", "cancel"]);
const THEMES: Argument = Argument::Text(
    "NAME",
    &[
        "auto",
        "dark",
        "light",
        "high-contrast",
        "colour-blind",
        "ansi16",
        "plain",
    ],
);
const BLOCK: Argument = Argument::Text("NUMBER", &["code"]);
const INSTRUCTIONS: Argument = Argument::Text("INSTRUCTIONS", &[]);
const SANDBOX: Argument = Argument::Text(
    "CHANGE",
    &[
        "pull",
        "import ",
        "pin",
        "cancel",
        "network on",
        "network off",
    ],
);
const FILE: Argument = Argument::Text("FILE", &[]);
const ID: Argument = Argument::Text("ID", &[]);

#[rustfmt::skip]
pub const COMMANDS: &[Spec] = &[
    row("help", &["h"], Argument::None, "keys and commands, searchable"),
    row("model", &[], MODELS, "list the models on this machine, or go on with another one; with KEY=VALUE change how it samples"),
    row("pull", &["download"], PULL, "download a model in the background; without a name a list, or how far it is"),
    row("effort", &[], EFFORTS, "how long the model may think"),
    row("sampling", &[], SAMPLING, "how the model samples: temperature, seed, reasoning budget and more; with KEY=VALUE change one"),
    row("approvals", &["approve"], APPROVALS, "ask: review every patch; auto: apply patches unreviewed; none: only propose them"),
    row("trust", &[], TRUST, "use or leave the settings that this repository brings; without a word, what they are"),
    row("diff", &["changes"], Argument::None, "everything this session changed"),
    row("undo", &[], MERGE, "take the last applied change back"),
    row("redo", &[], MERGE, "apply what was undone again"),
    row("compact", &[], INSTRUCTIONS, "replace what the model is told by a summary it writes, to make room in the context"),
    row("copy", &[], BLOCK, "copy the last answer, or code of it: by its number, or from a list"),
    row("export", &[], FILE, "write the conversation to a file (.md, .json, .jsonl), secrets masked"),
    row("resume", &[], ID, "go on with an earlier conversation, from a list with search"),
    row("rewind", &["back"], Argument::None, "go back to an earlier message, also Esc Esc"),
    row("fork", &[], Argument::None, "go on in a copy; the conversation so far stays as it is"),
    row("new", &["clear"], Argument::None, "start a new conversation; this one stays on record"),
    row("theme", &[], THEMES, "choose the colours; without a name a list with a preview"),
    row("reasoning", &[], Argument::None, "show or hide the reasoning pane"),
    row("mouse", &[], Argument::None, "leave the mouse to the terminal, which then selects text itself, or take it back"),
    row("raw", &[], Argument::None, "print the transcript to the normal screen, for the terminal's own scrolling and copying; any key returns"),
    row("keys", &["keybindings"], Argument::None, "every key that is bound, and where it was bound"),
    row("status", &[], Argument::None, "the model, the context, the container, the session and its files"),
    row("doctor", &[], Argument::None, "check what works on this machine"),
    row("sandbox", &["container"], SANDBOX, "the container the model's code runs in: pull or import its image, give it a network; without a word a list"),
    row("quit", &["exit", "q"], Argument::None, "leave"),
];

/// `None` when `text` is a message: it does not begin with a slash and a word (a path is no command).
pub fn parse(text: &str) -> Option<Result<Command, String>> {
    let text = text.trim();
    let (name, rest) = match text.split_once(char::is_whitespace) {
        Some((name, rest)) => (name, rest.trim()),
        None => (text, ""),
    };
    let name = name.strip_prefix('/')?;
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphabetic()) || text.contains('\n') {
        return None;
    }
    let Some(spec) = find(name) else {
        let nearest = nearest(name, COMMANDS.iter().map(|s| s.name));
        return Some(Err(format!(
            "there is no command /{name}; did you mean /{nearest}? /help lists all"
        )));
    };
    let argument = Some(rest).filter(|rest| !rest.is_empty());
    // How a model is asked can be changed beside which one is: the rows for it say what is wrong with the value.
    if spec.name == "model"
        && let Some((key, value)) = rest.split_once('=').map(|(key, value)| (key.trim(), value))
    {
        if key == "effort" {
            return parse(&format!("/effort {value}"));
        }
        if Asking::has_key(key) {
            return parse(&format!("/sampling {rest}"));
        }
    }
    let wrong = match (spec.argument, argument) {
        (_, None) | (Argument::Text(..), Some(_)) => None,
        (Argument::None, Some(_)) => Some(format!(
            "/{} takes no argument; /help lists all commands",
            spec.name
        )),
        (Argument::Word(words), Some(argument)) if words.contains(&argument) => None,
        (Argument::Word(words), Some(argument)) => Some(format!(
            "/{} takes nothing, {}, not `{argument}`; did you mean /{} {}?",
            spec.name,
            listed(words),
            spec.name,
            nearest(argument, words.iter().copied()),
        )),
    };
    Some(match wrong {
        Some(problem) => Err(problem),
        None => meant(spec.name, argument)
            .ok_or_else(|| format!("/{} cannot be run; this is our bug", spec.name)),
    })
}

/// The row of a name or alias.
pub fn find(name: &str) -> Option<&'static Spec> {
    COMMANDS
        .iter()
        .find(|spec| spec.name == name || spec.aliases.contains(&name))
}

/// The command of a row; its argument is one that the row allows.
fn meant(name: &str, argument: Option<&str>) -> Option<Command> {
    let text = argument.map(str::to_owned);
    Some(match name {
        "help" => Command::Help,
        "model" => Command::Model(text),
        "pull" => Command::Pull(text),
        "effort" => Command::Effort(match argument {
            Some("low") => Some(Effort::Low),
            Some("medium") => Some(Effort::Medium),
            Some("high") => Some(Effort::High),
            _ => None,
        }),
        "sampling" => Command::Sampling(text),
        "approvals" => Command::Approvals(match argument {
            Some("ask") => Some(ApprovalPolicy::Review),
            Some("auto") => Some(ApprovalPolicy::ApplyAll),
            Some("none") => Some(ApprovalPolicy::ProposeOnly),
            _ => None,
        }),
        "trust" => Command::Trust(argument.map(|word| word == "yes")),
        "diff" => Command::Diff,
        "undo" => Command::Undo(on_changed(argument)),
        "redo" => Command::Redo(on_changed(argument)),
        "compact" => Command::Compact(text),
        "rewind" => Command::Rewind,
        "copy" => Command::Copy(text),
        "export" => Command::Export(text),
        "resume" => Command::Resume(text),
        "fork" => Command::Fork,
        "new" => Command::New,
        "theme" => Command::Theme(text),
        "reasoning" => Command::Reasoning,
        "raw" => Command::Raw,
        "mouse" => Command::Mouse,
        "keys" => Command::Keys,
        "status" => Command::Status,
        "doctor" => Command::Doctor,
        "sandbox" => Command::Sandbox(text),
        "quit" => Command::Quit,
        _ => return None,
    })
}

fn on_changed(argument: Option<&str>) -> OnChanged {
    match argument {
        Some("merge") => OnChanged::Merge,
        Some("markers") => OnChanged::MergeWithMarkers,
        _ => OnChanged::Refuse,
    }
}

/// `low, medium or high`.
fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [word] => (*word).to_owned(),
        [init @ .., last] => format!("{} or {last}", init.join(", ")),
    }
}

impl Spec {
    pub fn words(&self) -> &'static [&'static str] {
        match self.argument {
            Argument::None => &[],
            Argument::Word(words) | Argument::Text(_, words) => words,
        }
    }

    /// `/effort [low|medium|high]`
    pub fn usage(&self) -> String {
        match self.argument {
            Argument::None => format!("/{}", self.name),
            Argument::Word(words) => format!("/{} [{}]", self.name, words.join("|")),
            Argument::Text(called, _) => format!("/{} [{called}]", self.name),
        }
    }
}

/// A line of the completion popup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What the composer holds when it is chosen.
    pub text: String,
    /// Of the command.
    pub name: &'static str,
    pub doc: &'static str,
}

/// What could follow a composer that holds `text`; empty where no popup belongs. Names that begin so come
/// first, then those with an alias that does.
pub fn completions(text: &str) -> Vec<Candidate> {
    let Some(rest) = text.strip_prefix('/') else {
        return Vec::new();
    };
    if rest.contains('\n') {
        return Vec::new();
    }
    let candidate = |spec: &'static Spec, text: String| Candidate {
        text,
        name: spec.name,
        doc: spec.doc,
    };
    match rest.split_once(' ') {
        None => {
            let named = |spec: &&Spec| spec.name.starts_with(rest);
            let aliased =
                |spec: &&Spec| !rest.is_empty() && spec.aliases.iter().any(|a| a.starts_with(rest));
            let second = COMMANDS.iter().filter(|s| !named(s) && aliased(s));
            COMMANDS
                .iter()
                .filter(named)
                .chain(second)
                .map(|spec| {
                    let more = if spec.words().is_empty() { "" } else { " " };
                    candidate(spec, format!("/{}{more}", spec.name))
                })
                .collect()
        }
        Some((name, typed)) => {
            let Some(spec) = find(name) else {
                return Vec::new();
            };
            // Of a text the words are examples: none is offered before one is begun, or Enter would take it.
            if typed.is_empty() && matches!(spec.argument, Argument::Text(..)) {
                return Vec::new();
            }
            spec.words()
                .iter()
                .filter(|word| word.starts_with(typed))
                .map(|word| candidate(spec, format!("/{} {word}", spec.name)))
                .collect()
        }
    }
}

#[cfg(test)]
mod tests;
