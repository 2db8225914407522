//! What can go wrong with a server, and how it is told: the URL, what happened, and the next step.

use super::profile::Target;
use crate::engine::EngineError;
use crate::text;
use std::time::Duration;

/// Characters of a server's own words that are repeated.
const QUOTED: usize = 400;

/// Longest wait that a server may ask for before it is asked again.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// No connection, or none that lasted until an answer began.
    Unreachable(String),
    /// An answer that is no success.
    Status {
        status: u16,
        message: String,
        retry_after: Option<Duration>,
    },
    /// It names another place.
    Redirect {
        status: u16,
        place: String,
    },
    /// Nothing came for so long.
    Silent {
        before_first: bool,
        seconds: u64,
    },
    /// The stream ended before the generation did.
    Cut(String),
    /// An event that cannot be read, or one that the protocol does not have.
    Unreadable(String),
    TooLong,
    /// The stream itself says that the server failed.
    Said(String),
}

impl Fault {
    /// Whether asking again may help, as long as nothing was generated.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Fault::Unreachable(_) | Fault::Cut(_) => true,
            Fault::Status {
                status, message, ..
            } => {
                matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504 | 529)
                    && !speaks_of_tools(message)
            }
            Fault::Redirect { .. }
            | Fault::Silent { .. }
            | Fault::Unreadable(_)
            | Fault::TooLong
            | Fault::Said(_) => false,
        }
    }

    /// Whether the server is not there for us, whatever is asked.
    fn is_unavailable(&self) -> bool {
        match self {
            Fault::Unreachable(_) | Fault::Redirect { .. } => true,
            Fault::Status { status, .. } => matches!(status, 401 | 403 | 404) || self.is_passing(),
            Fault::Silent { before_first, .. } => *before_first,
            Fault::Cut(_) | Fault::Unreadable(_) | Fault::TooLong | Fault::Said(_) => false,
        }
    }

    /// How long to wait before attempt number `attempt` (from 1): what the server asks for, or half a second,
    /// doubled each time. `None`: longer than anybody would want to.
    pub(super) fn wait(&self, attempt: u32) -> Option<Duration> {
        let own =
            Duration::from_millis(500) * 2u32.saturating_pow(attempt.saturating_sub(1).min(6));
        match self {
            Fault::Status {
                retry_after: Some(wait),
                ..
            } => (*wait <= LONGEST_WAIT).then_some(*wait),
            _ => Some(own.min(Duration::from_secs(15))),
        }
    }

    /// What happened, in one line.
    pub(super) fn what(&self) -> String {
        match self {
            Fault::Unreachable(reason) => format!("no connection: {reason}"),
            Fault::Status {
                status,
                message,
                retry_after,
            } => {
                let wait = retry_after.map_or_else(String::new, |wait| {
                    format!(" (try again in {} seconds)", wait.as_secs())
                });
                let colon = if message.is_empty() { "" } else { ": " };
                format!("it answered {}{wait}{colon}{message}", named(*status))
            }
            Fault::Redirect { status, place } => {
                format!("it answered {} and sends to {place}", named(*status))
            }
            Fault::Silent {
                before_first: true,
                seconds,
            } => format!("no token came within {seconds} seconds"),
            Fault::Silent {
                before_first: false,
                seconds,
            } => format!("the stream stood still for {seconds} seconds"),
            Fault::Cut(reason) => format!("the stream was cut before its end{reason}"),
            Fault::Unreadable(reason) => format!("it sent what cannot be read: {reason}"),
            Fault::TooLong => "it sent an event of more than 4 MiB".to_owned(),
            Fault::Said(message) => format!("it failed: {message}"),
        }
    }

    /// What to do about it.
    fn hint(&self, target: &Target) -> String {
        let model = target.model.as_deref().unwrap_or("the model");
        match self {
            Fault::Unreachable(_) => {
                "start the server, or check the address; descant doctor tries it".to_owned()
            }
            Fault::Status { message, .. } | Fault::Said(message) if speaks_of_tools(message) => {
                format!(
                    "{model} takes no tools there, and Descant works by tools: start the server so that it does \
                     (docs/servers.md), or choose another model with -m"
                )
            }
            Fault::Status { status: 401 | 403, .. } => match &target.profile.key {
                Some(_) => format!(
                    "the key in {} is not accepted there; set another",
                    target.profile.key_variable
                ),
                None => format!("set {} to the server's key", target.profile.key_variable),
            },
            Fault::Status { status: 404, .. } => {
                "descant models list shows the models that are there; name one with -m".to_owned()
            }
            Fault::Status { status: 413, .. } => {
                "the conversation is too long for it: /compact makes it shorter".to_owned()
            }
            Fault::Status { status: 400 | 422, message, .. }
                if message.contains("context") || message.contains("too long") =>
            {
                "/compact makes the conversation shorter; or start the server with more context".to_owned()
            }
            Fault::Status { status: 400..=499, .. } if !self.is_passing() => {
                "try another protocol: protocol = \"chat\" in its profile (docs/servers.md)".to_owned()
            }
            Fault::Redirect { .. } => "give that address, if you trust it".to_owned(),
            Fault::Silent { .. } => {
                "its log may say why; slower machines need longer timeouts (docs/servers.md)".to_owned()
            }
            Fault::Unreadable(_) | Fault::TooLong => {
                "check that the address is a model server's; protocol = \"chat\" in its profile may help".to_owned()
            }
            Fault::Status { .. } | Fault::Cut(_) | Fault::Said(_) => {
                "the conversation is kept: try again, or look at the server's log".to_owned()
            }
        }
    }

    /// The server and what happened, in one line.
    pub(super) fn error_line(&self, target: &Target) -> String {
        let line = format!("{}: {}", target.profile.address.base(), self.what());
        match &target.profile.key {
            Some(key) => key.hidden(&line),
            None => line,
        }
    }

    /// For the user. `attempts`: how often it was tried.
    pub(super) fn error(&self, target: &Target, attempts: u32) -> EngineError {
        let tried = if attempts > 1 {
            format!(" ({attempts} attempts)")
        } else {
            String::new()
        };
        let what = format!("{}{tried}", self.what());
        EngineError::Server {
            url: target.profile.address.base().to_owned(),
            what: match &target.profile.key {
                Some(key) => key.hidden(&what),
                None => what,
            },
            hint: self.hint(target),
            unavailable: self.is_unavailable(),
        }
    }
}

/// Whether a server's refusal is about tools: Ollama's, vLLM's and llama.cpp's words for it.
pub(super) fn speaks_of_tools(message: &str) -> bool {
    let message = message.to_lowercase();
    [
        "support tools",
        "support tool",
        "tool choice requires",
        "tools param requires",
        "tool-call-parser",
        "tool_choice",
    ]
    .iter()
    .any(|words| message.contains(words))
}

/// Whether a refusal is about how hard the model is to think.
pub(super) fn speaks_of_effort(message: &str) -> bool {
    let message = message.to_lowercase();
    [
        "support thinking",
        "reasoning_effort",
        "reasoning effort",
        "reasoning.effort",
        "chat_template_kwargs",
    ]
    .iter()
    .any(|words| message.contains(words))
}

/// A server's own words, in one line that is safe to show.
pub(super) fn quoted(text: &str) -> String {
    let line = text::label(text.trim());
    let mut short: String = line.chars().take(QUOTED).collect();
    if short.len() < line.len() {
        short.push('\u{2026}');
    }
    short
}

/// The message in an error's body: `{"error":{"message":...}}`, `{"error":"..."}`, `{"message":...}`,
/// `{"detail":...}`, or the text itself.
pub(super) fn message_of(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) else {
        return quoted(&text);
    };
    error_of(&value).unwrap_or_else(|| quoted(&text))
}

/// The message of an error object, if it is one.
pub(super) fn error_of(value: &serde_json::Value) -> Option<String> {
    let error = value.get("error").filter(|error| !error.is_null());
    let said = match error {
        Some(error) => error.get("message").unwrap_or(error),
        None => value.get("message").or_else(|| value.get("detail"))?,
    };
    Some(match said.as_str() {
        Some(text) => quoted(text),
        None => quoted(&said.to_string()),
    })
}

fn named(status: u16) -> String {
    let reason = reqwest::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason());
    match reason {
        Some(reason) => format!("{status} {reason}"),
        None => status.to_string(),
    }
}
