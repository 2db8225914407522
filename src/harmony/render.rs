//! A conversation to the token ids an engine is prompted with.
//!
//! The system and developer messages of GPT-OSS are `openai-harmony`'s; everything after them is appended
//! here, because what the model generated goes back as its raw ids and is never re-rendered. The one thing
//! to know before changing it: until the next user message a prompt may only grow at its end (less the
//! trailing `<|start|>assistant`), or the engine's prefix cache stops holding. Reasoning is cut at that one
//! moment, `<|return|>` becomes `<|end|>` at once.

use super::parse::{MessageSpan, Parser};
use super::vocab::{
    CALL, CHANNEL, END, END_OF_TEXT, MESSAGE, RETURN, START, VocabError, Vocabulary,
};
use crate::conversation::{
    Channel, Effort, FunctionSpec, Item, PromptProfile, PromptSpec, Role, TokenId,
};
use openai_harmony::chat::{
    DeveloperContent, Message, ReasoningEffort, Role as OpenAiRole, SystemContent, ToolDescription,
    ToolNamespaceConfig,
};
use std::sync::Arc;

/// The developer instructions for GPT-OSS, before anything a repository adds (AGENTS.md).
pub const INSTRUCTIONS: &str = include_str!("../../prompts/developer.md");
const PYTHON_TOOL: &str = include_str!("../../prompts/python.md");

/// The description of the built-in `python` tool. `seconds`: the time limit of a call; `is_copy`: whether it sees a
/// copy of the work tree, whose changes go to the user, or the work tree itself, read-only.
pub fn python_tool(seconds: u64, is_copy: bool) -> String {
    let workspace = if is_copy {
        "/workspace, the current folder, is a copy of the repository without what git ignores; what you change \
         there is shown to the user as a patch, who may take it"
    } else {
        "The repository is read-only at /workspace, the current folder"
    };
    PYTHON_TOOL
        .trim_end()
        .replace("{seconds}", &seconds.to_string())
        .replace("{workspace}", workspace)
}

/// `openai-harmony`'s encoder is quadratic in an unbroken run of characters and panics on a million spaces.
/// No prose comes near this; the fixed prompt holds AGENTS.md, so it is checked rather than trusted.
const LONGEST_PIECE: usize = 4_096;

/// Why a prompt cannot be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    #[error(transparent)]
    Vocab(#[from] VocabError),
    #[error(
        "the instructions hold an unbroken run of {bytes} characters\n  shorten it in AGENTS.md or the configuration"
    )]
    Unbroken { bytes: usize },
    #[error("openai-harmony could not render the fixed prompt: {0}\n  this is our bug: report it")]
    OpenAi(String),
}

/// A prompt, and how many of its ids say what. What is in neither count is the conversation itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub ids: Vec<TokenId>,
    /// Of the fixed part: instructions and tools.
    pub fixed: usize,
    /// Of what stands beside the user's words ([`Item::Attached`]).
    pub attached: usize,
}

/// The prompt for the next generation, ending in `<|start|>assistant`.
pub fn render(
    vocabulary: &Arc<Vocabulary>,
    spec: &PromptSpec,
    items: &[Item],
) -> Result<Vec<TokenId>, RenderError> {
    Ok(render_counted(vocabulary, spec, items)?.ids)
}

/// [`render`], with the tokens that its parts take.
pub fn render_counted(
    vocabulary: &Arc<Vocabulary>,
    spec: &PromptSpec,
    items: &[Item],
) -> Result<Rendered, RenderError> {
    let mut prompt = Prompt {
        vocabulary,
        ids: render_fixed(vocabulary, spec)?,
    };
    let fixed = prompt.ids.len();
    let mut attached = 0;
    let turn = items
        .iter()
        .rposition(|item| matches!(item, Item::User { .. }))
        .unwrap_or(0);
    let from = match spec.profile {
        PromptProfile::GptOss => 0,
        PromptProfile::Demo => turn,
    };
    for (index, item) in items.iter().enumerate().skip(from) {
        match item {
            Item::User { text } => prompt.message("user", None, text),
            // The demo model was trained on one message a turn: a second would take the request away from it.
            Item::Attached { .. } if spec.profile == PromptProfile::Demo => {}
            Item::Attached { text, .. } => {
                let before = prompt.ids.len();
                prompt.message("user", None, text);
                attached += prompt.ids.len() - before;
            }
            Item::Generated { tokens } => prompt.generated(tokens, index < turn),
            Item::ToolResult { tool, text, .. } => {
                let channel = if tool == "python" {
                    "analysis"
                } else {
                    "commentary"
                };
                prompt.message(tool, Some(channel), text);
            }
        }
    }
    prompt.assistant();
    Ok(Rendered {
        ids: prompt.ids,
        fixed,
        attached,
    })
}

/// The fixed part of every prompt of a session: the system message and, for GPT-OSS, the developer message.
/// Its length is the exact count of what each request pays for instructions and tools.
pub fn render_fixed(
    vocabulary: &Arc<Vocabulary>,
    spec: &PromptSpec,
) -> Result<Vec<TokenId>, RenderError> {
    match spec.profile {
        PromptProfile::Demo => {
            let mut prompt = Prompt {
                vocabulary,
                ids: Vec::new(),
            };
            // The very words the demo model was trained on.
            let tools = if spec.python.is_some() {
                "functions, python"
            } else {
                "functions"
            };
            prompt.message("system", None, &format!("Descant demo. Tools: {tools}."));
            Ok(prompt.ids)
        }
        PromptProfile::GptOss => {
            let texts = [
                Some(&spec.instructions),
                spec.python.as_ref(),
                Some(&spec.date),
            ];
            let described = spec.functions.iter().map(|function| &function.description);
            for text in texts.into_iter().flatten().chain(described) {
                let bytes = vocabulary.longest_piece(text);
                if bytes > LONGEST_PIECE {
                    return Err(RenderError::Unbroken { bytes });
                }
            }
            let fixed = [system(spec), developer(spec)];
            vocabulary
                .openai()?
                .render_conversation(&fixed, None)
                .map_err(|error| RenderError::OpenAi(format!("{error:#}")))
        }
    }
}

fn system(spec: &PromptSpec) -> Message {
    let mut content = SystemContent::new()
        .with_conversation_start_date(&spec.date)
        .with_reasoning_effort(match spec.effort {
            Effort::Low => ReasoningEffort::Low,
            Effort::Medium => ReasoningEffort::Medium,
            Effort::High => ReasoningEffort::High,
        });
    if let Some(description) = &spec.python {
        let python =
            ToolNamespaceConfig::new("python", Some(description.trim_end().into()), vec![]);
        content = content.with_tools(python);
    }
    Message::from_role_and_content(OpenAiRole::System, content)
}

fn developer(spec: &PromptSpec) -> Message {
    let mut content = DeveloperContent::new().with_instructions(spec.instructions.trim_end());
    if !spec.functions.is_empty() {
        content = content.with_function_tools(spec.functions.iter().map(function).collect());
    }
    Message::from_role_and_content(OpenAiRole::Developer, content)
}

fn function(spec: &FunctionSpec) -> ToolDescription {
    ToolDescription::new(&spec.name, &spec.description, spec.parameters.clone())
}

/// A prompt in the making. Only its own methods put special ids into it; text never does.
struct Prompt<'a> {
    vocabulary: &'a Arc<Vocabulary>,
    ids: Vec<TokenId>,
}

impl Prompt<'_> {
    fn text(&mut self, text: &str) {
        self.ids.extend(self.vocabulary.encode_text(text));
    }

    /// `<|start|>assistant`, which every generation continues.
    fn assistant(&mut self) {
        self.ids.push(START);
        self.text("assistant");
    }

    /// A whole message of ours. One with a channel is a tool's, addressed to the assistant.
    fn message(&mut self, author: &str, channel: Option<&str>, text: &str) {
        self.ids.push(START);
        self.text(author);
        if let Some(channel) = channel {
            self.text(" to=assistant");
            self.ids.push(CHANNEL);
            self.text(channel);
        }
        self.ids.push(MESSAGE);
        self.text(text);
        self.ids.push(END);
    }

    /// What the model generated, raw; of an older turn without its reasoning.
    fn generated(&mut self, tokens: &[TokenId], older: bool) {
        let mut parser = Parser::new(self.vocabulary);
        let mut events = Vec::new();
        for &token in tokens {
            parser.push(token, &mut events);
            events.clear();
        }
        parser.finish(&mut events);
        let mut spans = parser.spans();
        // A stream cut inside a header leaves a message that says nothing yet and that no end token can close.
        // (A mere `<|start|>assistant` at the end is in no span at all.)
        if let [before @ .., last] = spans
            && last.is_bare_header()
        {
            spans = before;
        }
        if older {
            for span in spans.iter().filter(|span| !is_reasoning(span)) {
                let raw = tokens.get(span.tokens.clone()).unwrap_or_default();
                // The `<|start|>assistant` of the first message belongs to the prompt; that of one which
                // followed without an end token was never written.
                if raw.first() != Some(&START) {
                    self.assistant();
                }
                self.raw(raw);
            }
        } else if let Some(last) = spans.last() {
            self.assistant();
            self.raw(tokens.get(..last.tokens.end).unwrap_or(tokens));
        }
    }

    /// Generated ids, closed by an end token that may stand in a history.
    fn raw(&mut self, tokens: &[TokenId]) {
        let tokens = match tokens {
            [before @ .., RETURN | END_OF_TEXT] => before,
            all => all,
        };
        self.ids.extend_from_slice(tokens);
        if !matches!(tokens.last(), Some(&(END | CALL))) {
            self.ids.push(END);
        }
    }
}

/// Calls made while reasoning stay with their results: they are what was done, not what was thought.
fn is_reasoning(span: &MessageSpan) -> bool {
    span.header.role == Role::Assistant
        && span.header.channel == Some(Channel::Analysis)
        && span.header.recipient.is_none()
}
