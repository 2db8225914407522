//! The grammar of a turn in llguidance's Lark: what may follow `<|start|>assistant`.
//!
//! Header forms are those that GPT-OSS was trained on and the parser reads without repair: the recipient in the
//! channel part or in the role part, the content type with or without `<|constrain|>`. A patch is not in here:
//! the grammar ends where one begins.

use super::{APPLY_PATCH, Offer, TokenTable};
use crate::harmony::vocab;
use std::fmt::Write as _;

/// Whether the model may think aloud and say what it is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asides {
    Allowed,
    None,
}

/// The Lark text. Named rules are `m_…` for messages and `t_…` for tools.
pub(super) fn grammar(table: &TokenTable, offer: &Offer, asides: Asides) -> String {
    let mut rules = String::new();
    let mut calls: Vec<String> = Vec::new();
    let constrain = table.special(vocab::CONSTRAIN).is_some();
    let content = |name: &str| {
        if constrain {
            format!("( \" {name}\" | \" \"? <|constrain|> \"{name}\" )?")
        } else {
            format!("( \" {name}\" )?")
        }
    };
    let mut call = |rules: &mut String, recipient: &str, channels: &str, kind: &str, body: &str| {
        let name = format!("t_{}", calls.len());
        let kind = if kind.is_empty() {
            String::new()
        } else {
            content(kind)
        };
        // A rule that fails to be written would need a formatter that fails: it writes to memory.
        let _ = writeln!(
            rules,
            "{name}: ( <|channel|> {channels} \" to={recipient}\" | \" to={recipient}\" <|channel|> {channels} ) {kind} <|message|> {body}"
        );
        calls.push(name);
    };
    if offer.python {
        call(
            &mut rules,
            "python",
            "( \"analysis\" | \"commentary\" )",
            "code",
            "TEXT <|call|>",
        );
    }
    for (index, function) in offer.functions.iter().enumerate() {
        let recipient = format!("functions.{}", function.name);
        let channel = "\"commentary\"";
        match &function.parameters {
            _ if function.name == APPLY_PATCH => call(&mut rules, &recipient, channel, "", ""),
            None => call(&mut rules, &recipient, channel, "", "TEXT <|call|>"),
            Some(schema) => {
                let body = format!("t_arguments_{index} <|call|>");
                call(&mut rules, &recipient, channel, "json", &body);
                let _ = writeln!(rules, "t_arguments_{index}: %json {schema}");
            }
        }
    }
    let calls = if calls.is_empty() {
        String::new()
    } else {
        format!(" | {}", calls.join(" | "))
    };
    // `final` is the answer: a turn that says nothing is none.
    let before = match asides {
        Asides::Allowed => {
            "start: ( m_aside <|end|> <|start|> \"assistant\" )* m_last\n\
             m_aside: <|channel|> ( \"analysis\" | \"commentary\" ) <|message|> TEXT?\n"
        }
        Asides::None => "start: m_last\n",
    };
    format!(
        "{before}\
         m_last: <|channel|> \"final\" <|message|> TEXT <|return|>{calls}\n\
         {rules}\
         TEXT: /(?s:.+)/\n"
    )
}
