//! Every adapter against streams as servers send them (`tests/fixtures/server`), whole and in any pieces.

mod asking;

use super::adapter::{Adapter, Figures, Reading};
use super::chat::{self, Chat, Habits};
use super::completion::{self, Completion};
use super::completions::{self, Completions, Form};
use super::responses::{self, Responses};
use super::sse::Events;
use crate::conversation::{
    CallId, Channel, Effort, FunctionSpec, Header, Item, Message, MessageEnd, PromptProfile,
    PromptSpec, Role, TokenId,
};
use crate::engine::codec::Codec;
use crate::engine::reduced::ReducedVocabulary;
use crate::engine::{GenerateRequest, Sampling, StopReason, demo};
use crate::harmony::HarmonyEvent;
use crate::harmony::parse::Parser;
use crate::harmony::vocab::{
    CALL, CHANNEL, END, LAST, MESSAGE, RETURN, START, Vocabulary, is_special,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};
use tokio_util::sync::CancellationToken;

fn vocabulary() -> Arc<Vocabulary> {
    static SHARED: OnceLock<Arc<Vocabulary>> = OnceLock::new();
    let load = || Vocabulary::load(std::path::Path::new("/nonexistent")).unwrap();
    Arc::clone(SHARED.get_or_init(load))
}

fn demo_codec() -> Arc<Codec> {
    let reduced = ReducedVocabulary::parse(demo::vocabulary()).unwrap();
    Arc::new(Codec::Reduced(Box::new(reduced)))
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/server");
    std::fs::read(folder.join(name)).unwrap()
}

/// Every fixture: an adapter that reads it, what it says, and what the server counted.
fn fixtures() -> Vec<(&'static str, Box<dyn Adapter>, &'static str, Figures)> {
    let chat =
        || Box::new(Chat::new(vocabulary(), Arc::new(Habits::default()))) as Box<dyn Adapter>;
    let responses = || Box::new(Responses::new(vocabulary())) as Box<dyn Adapter>;
    let counted = |prompt, cached, generated, reasoning| Figures {
        prompt: Some(prompt),
        cached,
        generated: Some(generated),
        reasoning,
    };
    let read_a = "analysis: I will show a.py.\nto functions.read_file: {\"path\":\"a.py\"}\n";
    vec![
        (
            "completion-llama.sse",
            Box::new(Completion::new(demo_codec(), vocabulary())),
            read_a,
            counted(27, Some(26), 43, None),
        ),
        (
            "completion-llama-utf8.sse",
            Box::new(Completion::new(demo_codec(), vocabulary())),
            "a\u{e9}\u{1F99C}\u{e9}<|return|>",
            counted(27, Some(26), 10, None),
        ),
        (
            "completions-vllm.sse",
            Box::new(Completions::new(Arc::new(Codec::Harmony))),
            "analysis: Look at a parrot: \u{1F99C}\u{1318F} first.\nto functions.read_file: {\"path\":\"src/na\u{ef}ve.py\"}\n",
            counted(1203, Some(1184), 44, None),
        ),
        (
            "completions-vllm-logprobs.sse",
            Box::new(Completions::new(Arc::new(Codec::Harmony))),
            "analysis: Look at a parrot: \u{1F99C}\u{1318F} first.\nto functions.read_file: {\"path\":\"src/na\u{ef}ve.py\"}\n",
            counted(1203, Some(1184), 44, None),
        ),
        (
            "responses-llama.sse",
            responses(),
            read_a,
            counted(27, Some(26), 43, None),
        ),
        (
            "responses-answer.sse",
            responses(),
            "analysis: A sum of two.\nanswer: 2 + 2 = 4 \u{1F99C}\n",
            counted(88, Some(64), 21, Some(7)),
        ),
        (
            "responses-calls.sse",
            responses(),
            "to functions.shell: {\"command\":\"ls\"}\nto python: {\"code\":\"1+1\"}\n",
            counted(50, None, 20, None),
        ),
        (
            "chat-llama.sse",
            chat(),
            read_a,
            counted(27, Some(26), 43, None),
        ),
        (
            "chat-ollama.sse",
            chat(),
            "analysis: Need to read src/na\u{ef}ve.py.\nto functions.read_file: {\"path\":\"src/na\u{ef}ve.py\"}\n",
            counted(812, None, 31, None),
        ),
        (
            "chat-lmstudio.sse",
            chat(),
            "analysis: Two files to read.\ncommentary: I read both \u{1F99C}.\nto functions.read_file: {\"path\":\"a.py\"}\n\
             to functions.search: {\"pattern\":\"x\"}\n",
            counted(400, None, 40, Some(9)),
        ),
        (
            "chat-sglang.sse",
            chat(),
            "analysis: It is four.\nanswer: \n2 + 2 = 4\n",
            counted(300, Some(256), 17, Some(6)),
        ),
        (
            "chat-mistralrs.sse",
            chat(),
            "analysis: A sum.\nanswer: 2 + 2 = 4\n",
            counted(70, None, 12, None),
        ),
    ]
}

struct Read {
    tokens: Vec<TokenId>,
    figures: Figures,
    end: Option<StopReason>,
}

fn read<'a>(adapter: &mut dyn Adapter, chunks: impl IntoIterator<Item = &'a [u8]>) -> Read {
    let (mut events, mut data) = (Events::default(), Vec::new());
    for chunk in chunks {
        events.push(chunk, &mut data).unwrap();
    }
    events.finish(&mut data);
    let mut read = Read {
        tokens: Vec::new(),
        figures: Figures::default(),
        end: None,
    };
    for event in data.iter().filter(|event| event.as_slice() != b"[DONE]") {
        let mut reading = Reading::default();
        let event: Value = serde_json::from_slice(event).unwrap();
        adapter.take(&event, &mut reading).unwrap();
        read.figures.take(reading.figures);
        read.tokens.extend(reading.tokens);
        read.end = read.end.or(reading.end);
    }
    read
}

fn messages(tokens: &[TokenId]) -> Vec<Message> {
    let mut parser = Parser::new(&vocabulary());
    let mut events = Vec::new();
    for &token in tokens {
        parser.push(token, &mut events);
    }
    parser.finish(&mut events);
    let done = |event| match event {
        HarmonyEvent::MessageDone(message) => Some(message),
        _ => None,
    };
    events.into_iter().filter_map(done).collect()
}

/// A line a message: whom it is for, or its channel, and its text.
fn told(tokens: &[TokenId]) -> String {
    let line = |message: Message| {
        let Message {
            header, text, end, ..
        } = message;
        assert_eq!(header.role, Role::Assistant);
        let whose = match (&header.recipient, &header.channel, end) {
            (Some(recipient), _, MessageEnd::Call) => format!("to {recipient}"),
            (None, Some(Channel::Analysis), MessageEnd::End) => "analysis".to_owned(),
            (None, Some(Channel::Commentary), MessageEnd::End) => "commentary".to_owned(),
            (None, Some(Channel::Commentary), MessageEnd::Return) => "answer".to_owned(),
            (None, Some(Channel::Final) | None, MessageEnd::Return) => "final".to_owned(),
            other => format!("{other:?}"),
        };
        format!("{whose}: {text}\n")
    };
    messages(tokens).into_iter().map(line).collect()
}

#[test]
fn every_recorded_stream_is_read_to_its_end() {
    for (name, mut adapter, expected, figures) in fixtures() {
        let bytes = fixture(name);
        let read = read(adapter.as_mut(), [bytes.as_slice()]);
        let told = match name {
            // It begins without a header: what counts is that no byte is missing.
            "completion-llama-utf8.sse" => {
                String::from_utf8(vocabulary().decode_bytes(&read.tokens)).unwrap()
            }
            _ => told(&read.tokens),
        };
        assert_eq!(told, expected, "{name}");
        assert_eq!(read.end, Some(StopReason::Stop), "{name}");
        assert_eq!(read.figures, figures, "{name}");
    }
}

#[test]
fn a_cut_at_any_byte_gives_the_same_ids() {
    for (at, (name, mut adapter, ..)) in fixtures().into_iter().enumerate() {
        let bytes = fixture(name);
        let whole = read(adapter.as_mut(), [bytes.as_slice()]);
        let fresh = || fixtures().swap_remove(at).1;
        let bytewise = read(fresh().as_mut(), bytes.chunks(1));
        assert_eq!(bytewise.tokens, whole.tokens, "{name}");
        // Any two pieces: an adapter sees events, so the decoder alone is tried at every byte.
        let (mut expected, mut events) = (Vec::new(), Events::default());
        events.push(&bytes, &mut expected).unwrap();
        events.finish(&mut expected);
        for cut in 0..=bytes.len() {
            let (a, b) = bytes.split_at(cut);
            let (mut data, mut events) = (Vec::new(), Events::default());
            events.push(a, &mut data).unwrap();
            events.push(b, &mut data).unwrap();
            events.finish(&mut data);
            assert_eq!(data, expected, "{name} cut at {cut}");
        }
    }
}

/// A stream that ends early is never taken for a whole one, and what it told is a beginning of the whole.
#[test]
fn a_stream_cut_after_any_event_is_seen_to_be_cut() {
    for (at, (name, mut adapter, ..)) in fixtures().into_iter().enumerate() {
        let bytes = fixture(name);
        let whole = read(adapter.as_mut(), [bytes.as_slice()]);
        let text = String::from_utf8(bytes).unwrap();
        let ends: Vec<usize> = text.match_indices("\n\n").map(|(end, _)| end + 2).collect();
        let mut ended = 0;
        for end in &ends {
            let mut adapter = fixtures().swap_remove(at).1;
            let part = read(adapter.as_mut(), [&text.as_bytes()[..*end]]);
            assert!(whole.tokens.starts_with(&part.tokens), "{name} until {end}");
            // The generation is over only when all its ids are there.
            assert!(
                part.end.is_none() || part.tokens == whole.tokens,
                "{name} until {end}"
            );
            ended += usize::from(part.end.is_some());
        }
        assert!(ended >= 1 && ended < ends.len(), "{name}");
    }
}

#[test]
fn what_no_protocol_has_is_an_error_or_nothing() {
    let broken = [
        json!({"content": "x", "stop": false}),
        json!({"tokens": ["a"], "stop": false}),
        json!({"tokens": [-1], "stop": false}),
        json!({"choices": [{"text": "x", "token_ids": null}]}),
        json!({"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}}]}),
        json!({"choices": [{"delta": {}, "finish_reason": "content_filter"}]}),
        json!({"type": "response.function_call_arguments.delta", "delta": "{"}),
        json!({"type": "response.output_item.added", "item": {"type": "function_call"}}),
        json!({"type": "response.failed", "response": {"error": {"message": "out of memory"}}}),
        json!({"type": "error", "message": "overloaded"}),
        json!(null),
        json!([1, 2]),
        json!("text"),
        json!({"choices": "none", "delta": 3, "type": 7, "tokens": {}}),
    ];
    let mut refused = 0;
    for event in &broken {
        for (_, mut adapter, ..) in fixtures() {
            let mut reading = Reading::default();
            refused += usize::from(adapter.take(event, &mut reading).is_err());
            assert_eq!(reading.end, None, "{event}");
        }
    }
    assert!(refused >= broken.len(), "{refused}");
}

#[test]
fn a_name_that_is_no_name_is_still_a_call() {
    let mut adapter = Chat::new(vocabulary(), Arc::new(Habits::default()));
    let mut reading = Reading::default();
    let call = json!({"choices": [{"delta": {"tool_calls": [{"function": {"name": "read_file<|channel|>commentary", "arguments": {"path": "a"}}}]}, "finish_reason": "stop"}]});
    adapter.take(&call, &mut reading).unwrap();
    let header = messages(&reading.tokens).remove(0).header;
    let Header {
        recipient: Some(recipient),
        ..
    } = header
    else {
        panic!("{header:?}")
    };
    assert!(recipient.starts_with("functions.read_file"), "{recipient}");
    assert_eq!(
        reading.tokens.iter().filter(|id| **id == CHANNEL).count(),
        1
    );
}
