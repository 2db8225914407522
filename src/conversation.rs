//! What a conversation is made of: messages, generated tokens, tool calls, usage.
//!
//! Plain data that every other module may import. It neither renders nor parses (that is
//! [`crate::harmony`]) and never does I/O. The one thing to know before changing it: what the model
//! generated is kept as its **raw token ids** and never re-rendered, or the engine's prefix cache breaks.

use serde::{Deserialize, Serialize};

/// An id of the `o200k_harmony` vocabulary (0..201,088), whatever engine produced it.
pub type TokenId = u32;

/// Numbers the turns of a session from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TurnId(pub u64);

/// Numbers the tool calls of a session from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct CallId(pub u64);

/// Harmony's roles; a tool message carries the tool's full name (`functions.read_file`, `python`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    System,
    Developer,
    User,
    Assistant,
    Tool(String),
}

/// Harmony's channels. `Other` keeps what a damaged header said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Analysis,
    Commentary,
    Final,
    Other(String),
}

/// What stands between `<|start|>` and `<|message|>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub role: Role,
    /// `None` where the header named no channel.
    pub channel: Option<Channel>,
    /// The addressee without `to=`; `None` for a message to the user.
    pub recipient: Option<String>,
    /// `json`, `code`, ...: with `<|constrain|>` or as a bare word.
    pub content_type: Option<String>,
}

/// How a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageEnd {
    /// `<|end|>`
    End,
    /// `<|call|>`
    Call,
    /// `<|return|>`
    Return,
    /// The stream ended or a new message began without an end token.
    Cut,
}

/// One parsed message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub header: Header,
    pub text: String,
    pub end: MessageEnd,
    /// The header or the end was damaged and this reading of it is a repair.
    pub repaired: bool,
}

/// OpenAI's three levels of reasoning effort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Effort {
    Low,
    #[default]
    Medium,
    High,
}

impl Effort {
    pub fn as_str(self) -> &'static str {
        match self {
            Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
        }
    }
}

/// A function the model is offered in the developer message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FunctionSpec {
    /// Without the `functions.` namespace.
    pub name: String,
    pub description: String,
    /// JSON schema of the arguments; `None`: raw text.
    pub parameters: Option<serde_json::Value>,
}

/// Which wording of the fixed prompt an engine's model was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptProfile {
    /// System and developer messages as GPT-OSS expects them, the whole history.
    GptOss,
    /// The built-in demo model: one short system line, the current turn alone (see `demo/README.md`).
    Demo,
}

/// Everything the fixed part of a prompt says. Byte-stable within a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PromptSpec {
    pub profile: PromptProfile,
    pub effort: Effort,
    /// `YYYY-MM-DD`, the day the session began.
    pub date: String,
    /// Developer instructions, AGENTS.md included.
    pub instructions: String,
    /// The description of the built-in `python` tool; `None` when no container engine runs.
    pub python: Option<String>,
    pub functions: Vec<FunctionSpec>,
}

/// One entry of the history, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "item", rename_all = "snake_case")]
pub enum Item {
    User {
        text: String,
    },
    /// What stands beside the user's words: a file they mentioned, a command they ran themselves. It follows
    /// the message it came with; `name` is what the user is told, `text` what the model reads.
    Attached {
        name: String,
        text: String,
    },
    /// One generation: raw ids exactly as they came, from after the `<|start|>assistant` that the
    /// prompt ended with, through the stop token (`<|call|>`, `<|return|>`) if one came.
    Generated {
        tokens: Vec<TokenId>,
    },
    /// What a tool answered. `tool` is the role it speaks as, e.g. `functions.search` or `python`.
    ToolResult {
        call: CallId,
        tool: String,
        text: String,
    },
}

/// What a generation cost. Tokens are the engine's own count.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Usage {
    pub prompt_tokens: usize,
    /// Of the prompt, how many came from the prefix cache.
    pub cached_tokens: usize,
    pub generated_tokens: usize,
    /// Of the generated, how many belong to analysis.
    pub reasoning_tokens: usize,
    pub prefill_seconds: f64,
    pub decode_seconds: f64,
}

impl Usage {
    /// Decode speed in tokens a second; `None` before anything was generated.
    pub fn tokens_per_second(&self) -> Option<f64> {
        (self.decode_seconds > 0.0 && self.generated_tokens > 1)
            .then(|| self.generated_tokens as f64 / self.decode_seconds)
    }

    /// The sum of two generations of one turn.
    pub fn plus(self, other: Usage) -> Usage {
        Usage {
            prompt_tokens: self.prompt_tokens + other.prompt_tokens,
            cached_tokens: self.cached_tokens + other.cached_tokens,
            generated_tokens: self.generated_tokens + other.generated_tokens,
            reasoning_tokens: self.reasoning_tokens + other.reasoning_tokens,
            prefill_seconds: self.prefill_seconds + other.prefill_seconds,
            decode_seconds: self.decode_seconds + other.decode_seconds,
        }
    }
}
