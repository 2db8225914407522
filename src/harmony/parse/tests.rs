#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]

use super::*;
use crate::harmony::vocab;
use proptest::prelude::*;
use std::path::Path;
use std::sync::OnceLock;

fn vocabulary() -> &'static Arc<Vocabulary> {
    static VOCABULARY: OnceLock<Arc<Vocabulary>> = OnceLock::new();
    VOCABULARY.get_or_init(|| Vocabulary::load(Path::new("/nonexistent")).unwrap())
}

const MARKUP: [(&str, TokenId); 8] = [
    ("<|start|>", START),
    ("<|end|>", END),
    ("<|message|>", MESSAGE),
    ("<|channel|>", CHANNEL),
    ("<|constrain|>", CONSTRAIN),
    ("<|return|>", RETURN),
    ("<|call|>", CALL),
    ("<|endoftext|>", END_OF_TEXT),
];

/// Ids of a stream written out. `{{...}}` is ordinary text whatever it spells.
fn ids(stream: &str) -> Vec<TokenId> {
    let mut ids = Vec::new();
    let mut text = String::new();
    let mut rest = stream;
    while !rest.is_empty() {
        let markup = MARKUP
            .iter()
            .find(|(spelling, _)| rest.starts_with(spelling));
        if let Some((spelling, id)) = markup {
            ids.extend(vocabulary().encode_text(&std::mem::take(&mut text)));
            ids.push(*id);
            rest = &rest[spelling.len()..];
        } else if let Some(literal) = rest.strip_prefix("{{") {
            let (literal, after) = literal.split_once("}}").unwrap();
            text.push_str(literal);
            rest = after;
        } else {
            let c = rest.chars().next().unwrap();
            text.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    ids.extend(vocabulary().encode_text(&text));
    ids
}

struct Parsed {
    events: Vec<HarmonyEvent>,
    messages: Vec<Message>,
    spans: Vec<MessageSpan>,
}

fn parse(tokens: &[TokenId]) -> Parsed {
    let mut parser = Parser::new(vocabulary());
    let mut events = Vec::new();
    for &token in tokens {
        parser.push(token, &mut events);
    }
    parser.finish(&mut events);
    let messages = events
        .iter()
        .filter_map(|event| match event {
            HarmonyEvent::MessageDone(message) => Some(message.clone()),
            HarmonyEvent::MessageStarted(_) | HarmonyEvent::TextDelta(_) => None,
        })
        .collect();
    Parsed {
        events,
        messages,
        spans: parser.spans().to_vec(),
    }
}

/// What holds for every token sequence: events are well nested and the deltas are the text; the spans cover
/// every token; each word that was generated is in the text or the header of the message it came in.
fn check_whole(tokens: &[TokenId], parsed: &Parsed, words: &[&str]) {
    let mut open: Option<(Header, String)> = None;
    for event in &parsed.events {
        match event {
            HarmonyEvent::MessageStarted(header) => {
                assert!(open.replace((header.clone(), String::new())).is_none());
            }
            HarmonyEvent::TextDelta(delta) => {
                assert!(!delta.is_empty());
                open.as_mut().unwrap().1.push_str(delta);
            }
            HarmonyEvent::MessageDone(message) => {
                let (header, text) = open.take().unwrap();
                assert_eq!((&header, &text), (&message.header, &message.text));
            }
        }
    }
    assert!(open.is_none());

    assert_eq!(parsed.spans.len(), parsed.messages.len());
    let mut at = 0;
    for (span, message) in parsed.spans.iter().zip(&parsed.messages) {
        assert_eq!(span.tokens.start, at);
        assert_eq!((&span.header, span.end), (&message.header, message.end));
        at = span.tokens.end;
        check_words(&tokens[span.tokens.clone()], message, words);
    }
    // What is in no message says no more than that the assistant speaks.
    let rest = ordinary_text(&tokens[at..]);
    assert!(rest.replace("assistant", "").trim().is_empty(), "{rest:?}");
}

/// Like [`ordinary_text`], with a space for each special token.
fn spaced_text(tokens: &[TokenId]) -> String {
    let text = |id: &TokenId| {
        if is_special(*id) {
            " ".into()
        } else {
            ordinary_text(&[*id])
        }
    };
    tokens.iter().map(text).collect()
}

fn ordinary_text(tokens: &[TokenId]) -> String {
    let ordinary: Vec<TokenId> = tokens
        .iter()
        .copied()
        .filter(|id| !is_special(*id))
        .collect();
    String::from_utf8_lossy(&vocabulary().decode_bytes(&ordinary)).into_owned()
}

fn check_words(tokens: &[TokenId], message: &Message, words: &[&str]) {
    let Header {
        role,
        channel,
        recipient,
        content_type,
    } = &message.header;
    let mut kept = message.text.clone();
    if let Role::Tool(name) = role {
        kept.push_str(&format!(" {name}"));
    }
    match channel {
        Some(Channel::Analysis) => kept.push_str(" analysis"),
        Some(Channel::Commentary) => kept.push_str(" commentary"),
        Some(Channel::Final) => kept.push_str(" final"),
        Some(Channel::Other(name)) => kept.push_str(&format!(" {name}")),
        None => {}
    }
    if let Some(recipient) = recipient {
        kept.push_str(&format!(" to={recipient}"));
    }
    if let Some(content_type) = content_type {
        kept.push_str(&format!(" {content_type}"));
    }
    let body = tokens
        .iter()
        .position(|id| *id == MESSAGE)
        .map_or(tokens.len(), |at| at + 1);
    let (all, body) = (ordinary_text(tokens), ordinary_text(&tokens[body..]));
    for word in words {
        // In a header a word that names something may stand twice and mean it once; nowhere else.
        let needed = match *word {
            "zeta" => all.matches(word).count() - repeated_recipients(tokens, word),
            _ => body
                .matches(word)
                .count()
                .max(all.matches(word).count().min(1)),
        };
        assert!(
            kept.matches(word).count() >= needed,
            "{word:?} of {:?} lost in {message:?}",
            String::from_utf8_lossy(&vocabulary().decode_bytes(tokens))
        );
    }
}

/// How often `word` stands in a `to=...` that only repeats the one before it.
fn repeated_recipients(tokens: &[TokenId], word: &str) -> usize {
    let text = spaced_text(tokens);
    let recipients: Vec<&str> = text
        .split_whitespace()
        .map(|to| to.strip_prefix("assistant").unwrap_or(to))
        .filter(|to| to.starts_with("to=") && to.contains(word))
        .collect();
    let repeated = recipients.windows(2).filter(|pair| pair[0] == pair[1]);
    repeated.map(|pair| pair[0].matches(word).count()).sum()
}

/// No message that a caller would run may come from a header that does not plainly name the addressee.
fn check_calls(tokens: &[TokenId], parsed: &Parsed) {
    for (span, message) in parsed.spans.iter().zip(&parsed.messages) {
        let Some(recipient) = &message.header.recipient else {
            continue;
        };
        let tokens = &tokens[span.tokens.clone()];
        let header = tokens
            .iter()
            .position(|id| *id == MESSAGE)
            .unwrap_or(tokens.len());
        let header = spaced_text(&tokens[..header]);
        let named: Vec<&str> = header
            .split_whitespace()
            .filter_map(|word| {
                word.strip_prefix("assistant")
                    .unwrap_or(word)
                    .strip_prefix("to=")
            })
            .collect();
        // Past a word that is no header's, or a line break, it is text that may name whom it likes.
        let all_header = !header.contains('\n')
            && header.split_whitespace().all(|word| {
                let word = word.strip_prefix("assistant").unwrap_or(word);
                word.is_empty() || word == "final" || word.starts_with("to=")
            });
        assert!(
            named.contains(&recipient.as_str())
                && (!all_header || named.iter().all(|name| name == recipient)),
            "{recipient} from {:?}",
            String::from_utf8_lossy(&vocabulary().decode_bytes(tokens))
        );
    }
}

const LAST: &str = "<|start|>assistant<|channel|>final<|message|>ok<|return|>";

fn check_recovery(tokens: &[TokenId], last: &[TokenId]) {
    let tokens = [tokens, last].concat();
    let parsed = parse(&tokens);
    let message = parsed.messages.last().unwrap();
    assert_eq!(message.header.role, Role::Assistant);
    assert_eq!(message.header.channel, Some(Channel::Final));
    assert_eq!(message.header.recipient, None);
    assert_eq!(
        (message.text.as_str(), message.end),
        ("ok", MessageEnd::Return)
    );
}

/// Every sequence over `symbols` of up to `longest`.
fn exhaust(symbols: &[&str], longest: u32) -> usize {
    let symbols: Vec<Vec<TokenId>> = symbols.iter().map(|symbol| ids(symbol)).collect();
    let last = ids(LAST);
    let base = symbols.len();
    let mut count = 0;
    let mut tokens = Vec::new();
    for length in 1..=longest {
        for mut number in 0..base.pow(length) {
            tokens.clear();
            for _ in 0..length {
                tokens.extend_from_slice(&symbols[number % base]);
                number /= base;
            }
            let parsed = parse(&tokens);
            check_whole(
                &tokens,
                &parsed,
                &["zeta", "final", "to=functions.f", "to=python"],
            );
            check_calls(&tokens, &parsed);
            check_recovery(&tokens, &last);
            count += 1;
        }
    }
    count
}

/// Six symbols deep takes seconds when optimised; an unoptimised run stops at five.
const DEPTH: u32 = if cfg!(debug_assertions) { 5 } else { 6 };

#[test]
fn every_sequence_of_structural_symbols() {
    let symbols = [
        "<|start|>",
        "<|channel|>",
        "<|message|>",
        "<|end|>",
        "<|call|>",
        "<|return|>",
        "<|constrain|>",
        "final",
        " to=functions.f",
        " zeta",
    ];
    let sequences = exhaust(&symbols, DEPTH);
    assert_eq!(sequences, if DEPTH == 6 { 1_111_110 } else { 111_110 });
}

#[test]
fn every_sequence_with_two_recipients_and_roles() {
    let symbols = [
        "<|start|>",
        "<|channel|>",
        "<|message|>",
        "<|call|>",
        "assistant",
        " final",
        "to=functions.f",
        " to=python",
        "zeta",
        "\n",
    ];
    exhaust(&symbols, DEPTH);
}

fn any_tokens() -> impl Strategy<Value = Vec<TokenId>> {
    let structural = proptest::sample::select(vec![
        START,
        END,
        MESSAGE,
        CHANNEL,
        CONSTRAIN,
        RETURN,
        CALL,
        END_OF_TEXT,
        vocab::RESERVED,
    ]);
    let words = proptest::sample::select(vec![
        "assistant",
        "analysis",
        "commentary",
        "final",
        " to=",
        " to=functions.f",
        " json",
        "?",
        "\n",
        " ",
        "omega",
        "functions",
        ".f",
        "{\"a\":1}",
        "é",
        "<|channel|>",
    ])
    .prop_map(|word| vocabulary().encode_text(word));
    let token = prop_oneof![
        4 => structural.prop_map(|id| vec![id]),
        4 => words,
        3 => (0..200_000_u32).prop_map(|id| vec![id]),
        1 => any::<u32>().prop_map(|id| vec![id]),
    ];
    proptest::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn any_token_sequence(tokens in any_tokens()) {
        let parsed = parse(&tokens);
        check_whole(&tokens, &parsed, &["omega"]);
        check_recovery(&tokens, &ids(LAST));
    }

    /// Where the stream is looked at between tokens changes nothing.
    #[test]
    fn events_come_with_their_tokens(tokens in any_tokens(), cut in any::<prop::sample::Index>()) {
        let cut = cut.index(tokens.len() + 1);
        let mut parser = Parser::new(vocabulary());
        let mut before = Vec::new();
        for &token in &tokens[..cut] {
            parser.push(token, &mut before);
        }
        let mut after = Vec::new();
        for &token in &tokens[cut..] {
            parser.push(token, &mut after);
        }
        parser.finish(&mut after);
        prop_assert_eq!([before, after].concat(), parse(&tokens).events);
    }

    #[test]
    fn bytes_that_are_no_text_become_replacement_characters(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        // One token a byte: every character is split wherever it can be.
        let single = |byte: u8| (0..256).find(|id| vocabulary().token_bytes(*id) == Some(&[byte])).unwrap();
        let mut tokens = ids("<|channel|>final<|message|>");
        tokens.extend(bytes.iter().map(|byte| single(*byte)));
        tokens.push(RETURN);
        prop_assert_eq!(&parse(&tokens).messages[0].text, &*String::from_utf8_lossy(&bytes));
    }
}

#[derive(serde::Deserialize)]
struct Fixture {
    name: String,
    stream: String,
    messages: Vec<Expected>,
}

#[derive(serde::Deserialize, Debug, PartialEq)]
struct Expected {
    #[serde(default)]
    role: Option<String>,
    #[serde(default)]
    channel: Option<String>,
    #[serde(default)]
    to: Option<String>,
    #[serde(default)]
    r#type: Option<String>,
    text: String,
    end: MessageEnd,
    #[serde(default)]
    repaired: bool,
}

impl From<&Message> for Expected {
    fn from(message: &Message) -> Expected {
        let Header {
            role,
            channel,
            recipient,
            content_type,
        } = &message.header;
        Expected {
            role: match role {
                Role::Assistant => None,
                Role::Tool(name) => Some(name.clone()),
                other => Some(format!("{other:?}").to_lowercase()),
            },
            channel: channel.as_ref().map(|channel| match channel {
                Channel::Other(name) => name.clone(),
                known => format!("{known:?}").to_lowercase(),
            }),
            to: recipient.clone(),
            r#type: content_type.clone(),
            text: message.text.clone(),
            end: message.end,
            repaired: message.repaired,
        }
    }
}

#[test]
fn damage_seen_in_the_wild_is_handled() {
    let fixtures: Vec<Fixture> =
        serde_json::from_str(include_str!("../../../tests/fixtures/harmony/streams.json")).unwrap();
    for Fixture {
        name,
        stream,
        messages,
    } in fixtures
    {
        let tokens = ids(&stream);
        let parsed = parse(&tokens);
        check_whole(&tokens, &parsed, &[]);
        let found: Vec<Expected> = parsed.messages.iter().map(Expected::from).collect();
        assert_eq!(found, messages, "{name}");
    }
}

/// The answer appears while it is written even where its `<|message|>` was forgotten.
#[test]
fn text_without_message_marker_streams() {
    let mut parser = Parser::new(vocabulary());
    let mut shown = 0;
    for token in ids("<|channel|>final The answer is forty-two, and here is why: it follows.") {
        let mut events = Vec::new();
        parser.push(token, &mut events);
        shown += events
            .iter()
            .filter(|event| matches!(event, HarmonyEvent::TextDelta(_)))
            .count();
    }
    assert!(shown > 8, "{shown}");
}

#[test]
fn endless_repetition_stays_linear() {
    for stream in [
        "<|channel|>",
        "<|start|>",
        "<|constrain|>x",
        "<|channel|>analysis",
        "assistant",
        "\n",
        " a",
    ] {
        let tokens = ids(stream).repeat(200_000);
        // In quadratic time this would not end.
        parse(&tokens);
    }
}

/// Without a header the first character may come in pieces: it was once read before it was whole.
#[test]
fn text_without_a_header_may_begin_with_a_character_of_several_tokens() {
    for text in ["🦀 crab", "\u{10FFFF}", "漢字, then words", "a𓂀"] {
        let mut bytes = Vec::new();
        for byte in text.bytes() {
            bytes.extend(vocabulary().token_of(&[byte]));
        }
        assert_eq!(bytes.len(), text.len());
        let parsed = parse(&bytes);
        assert_eq!(parsed.messages.len(), 1, "{text}");
        assert_eq!(parsed.messages[0].text, text);
    }
}

/// Bytes that always look like the beginning of a character do not make a header of the whole stream.
#[test]
fn bytes_that_never_become_a_character_are_text_after_the_longest_header() {
    let mut parser = Parser::new(vocabulary());
    let mut events = Vec::new();
    let half = vocabulary().token_of(&[0xF0]).unwrap();
    for _ in 0..300 {
        parser.push(half, &mut events);
    }
    assert!(
        matches!(events.first(), Some(HarmonyEvent::MessageStarted(_))),
        "{events:?}"
    );
}
