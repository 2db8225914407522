//! What a server has parsed, written down again as Harmony ids.
//!
//! The protocols of messages tell reasoning, text and calls apart and keep the ids to themselves. The ids made here
//! spell the same messages: reasoning on `analysis`, a call on `commentary` and ended by `<|call|>`, text on
//! `commentary`, because nobody knows yet whether a call follows it, and ended by `<|return|>` where none does. They
//! are not the ids that the model sampled, which does not matter here: the server is told messages again, not ids.

use crate::conversation::TokenId;
use crate::engine::StopReason;
use crate::harmony::vocab::{CALL, CHANNEL, CONSTRAIN, END, MESSAGE, RETURN, START, Vocabulary};
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Nothing,
    Reasoning,
    Text,
    Call,
}

#[derive(Debug)]
pub(super) struct Composer {
    vocabulary: Arc<Vocabulary>,
    open: Open,
    /// A message was begun.
    began: bool,
    /// White space that may begin a text; servers also send it where there is none.
    space: String,
}

impl Composer {
    pub(super) fn new(vocabulary: Arc<Vocabulary>) -> Composer {
        Composer {
            vocabulary,
            open: Open::Nothing,
            began: false,
            space: String::new(),
        }
    }

    pub(super) fn reasoning(&mut self, text: &str, out: &mut Vec<TokenId>) {
        self.say(Open::Reasoning, "analysis", text, out);
    }

    pub(super) fn text(&mut self, text: &str, out: &mut Vec<TokenId>) {
        self.say(Open::Text, "commentary", text, out);
    }

    /// Begins a call. `name` as the server told it: what is no name goes through the parser like a model's mistake.
    pub(super) fn call(&mut self, name: &str, out: &mut Vec<TokenId>) {
        self.close(out);
        self.begin(out);
        self.open = Open::Call;
        out.push(CHANNEL);
        let bare = name.trim();
        let recipient = match bare {
            "python" => bare.to_owned(),
            _ if bare.starts_with("functions.") => bare.to_owned(),
            _ => format!("functions.{bare}"),
        };
        self.spell(&format!("commentary to={recipient} "), out);
        out.push(CONSTRAIN);
        self.spell("json", out);
        out.push(MESSAGE);
    }

    /// More of the arguments of the call that was begun last.
    pub(super) fn arguments(&mut self, text: &str, out: &mut Vec<TokenId>) {
        self.spell(text, out);
    }

    pub(super) fn is_in_call(&self) -> bool {
        self.open == Open::Call
    }

    /// The generation is over: what is open ends as the reason says.
    pub(super) fn end(&mut self, stop: StopReason, out: &mut Vec<TokenId>) {
        match (stop, self.open) {
            // Left open: it is cut, and read so.
            (StopReason::Length | StopReason::Cancelled, _) => {}
            (StopReason::Stop, Open::Text) => {
                out.push(RETURN);
                self.open = Open::Nothing;
            }
            (StopReason::Stop, Open::Reasoning | Open::Call | Open::Nothing) => self.close(out),
        }
    }

    fn say(&mut self, kind: Open, channel: &str, text: &str, out: &mut Vec<TokenId>) {
        if self.open != kind {
            if text.trim().is_empty() {
                return self.space.push_str(text);
            }
            let space = std::mem::take(&mut self.space);
            self.close(out);
            self.begin(out);
            self.open = kind;
            out.push(CHANNEL);
            self.spell(channel, out);
            out.push(MESSAGE);
            self.spell(&format!("{space}{text}"), out);
            return;
        }
        self.spell(text, out);
    }

    fn begin(&mut self, out: &mut Vec<TokenId>) {
        // The prompt ends with the first one's.
        if std::mem::replace(&mut self.began, true) {
            out.push(START);
            self.spell("assistant", out);
        }
    }

    fn close(&mut self, out: &mut Vec<TokenId>) {
        self.space.clear();
        match std::mem::replace(&mut self.open, Open::Nothing) {
            Open::Nothing => {}
            Open::Call => out.push(CALL),
            Open::Reasoning | Open::Text => out.push(END),
        }
    }

    fn spell(&self, text: &str, out: &mut Vec<TokenId>) {
        out.extend(self.vocabulary.encode_text(text));
    }
}
