//! Every adapter against streams as servers send them (`tests/fixtures/server`), whole and in any pieces.

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

fn spec() -> PromptSpec {
    PromptSpec {
        profile: PromptProfile::GptOss,
        effort: Effort::High,
        date: "2026-01-01".into(),
        instructions: "Be brief.\n".into(),
        python: Some("Runs Python.\n".into()),
        functions: vec![
            FunctionSpec {
                name: "read_file".into(),
                description: "Read.".into(),
                parameters: Some(json!({"type": "object"})),
            },
            FunctionSpec {
                name: "apply_patch".into(),
                description: "Patch.".into(),
                parameters: None,
            },
        ],
    }
}

/// Spelled special tokens as ids, the rest as text.
fn spelled(text: &str) -> Vec<TokenId> {
    crate::engine::scripted::encode_spelled(text, &vocabulary())
}

fn request(prompt: &str) -> GenerateRequest {
    GenerateRequest {
        prompt: spelled(prompt),
        sampling: Sampling {
            temperature: 1.0,
            top_p: 1.0,
            min_p: 0.0,
            seed: u64::MAX,
            reasoning_budget: None,
        },
        max_tokens: 100,
        cancel: CancellationToken::new(),
        spec: Some(Arc::new(spec())),
        offer: None,
    }
}

/// A conversation with a call, its result, a call that was cut, and a result that nobody asked for.
const CONVERSATION: &str = "<|start|>system<|message|>sys<|end|><|start|>developer<|message|>dev<|end|>\
    <|start|>user<|message|>Fix <b> & it<|end|><|start|>assistant<|channel|>analysis<|message|>Read it.<|end|>\
    <|start|>assistant<|channel|>commentary<|message|>I look.<|end|>\
    <|start|>assistant<|channel|>commentary to=functions.read_file <|constrain|>json<|message|>{\"path\":\"a\"}<|call|>\
    <|start|>functions.read_file to=assistant<|channel|>commentary<|message|>line<|end|>\
    <|start|>assistant<|channel|>analysis to=python code<|message|>print(1)<|call|>\
    <|start|>python to=assistant<|channel|>analysis<|message|>1<|end|>\
    <|start|>assistant<|channel|>commentary to=functions.apply_patch<|message|>*** Begin<|end|>\
    <|start|>functions.shell to=assistant<|channel|>commentary<|message|>late<|end|>\
    <|start|>assistant<|channel|>final<|message|>Done.<|end|><|start|>user<|message|>Thanks<|end|><|start|>assistant";

#[test]
fn chat_is_told_the_conversation() {
    let habits = Habits::default();
    let body = chat::body("m", &request(CONVERSATION), &vocabulary(), &habits, 50);
    let call = |id: &str, name: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    assert_eq!(
        body["messages"],
        json!([
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Fix <b> & it"},
            {"role": "assistant", "content": "I look.", "reasoning_content": "Read it.",
             "tool_calls": [call("call_1", "read_file", "{\"path\":\"a\"}")]},
            {"role": "tool", "tool_call_id": "call_1", "content": "line"},
            {"role": "assistant", "content": "", "tool_calls": [call("call_2", "python", "{\"code\":\"print(1)\"}")]},
            {"role": "tool", "tool_call_id": "call_2", "content": "1"},
            {"role": "user", "content": "functions.shell answered:\nlate"},
            {"role": "assistant", "content": "Done."},
            {"role": "user", "content": "Thanks"},
        ])
    );
    assert_eq!(body["reasoning_effort"], "high");
    assert_eq!(
        (&body["max_tokens"], &body["model"]),
        (&json!(50), &json!("m"))
    );
    let names: Vec<&str> = body["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["function"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["read_file", "apply_patch", "python"]);
    assert_eq!(
        body["tools"][1]["function"]["parameters"]["required"],
        json!(["input"])
    );
    habits.leave_effort_out();
    let body = chat::body("m", &request(CONVERSATION), &vocabulary(), &habits, 50);
    assert!(body.get("reasoning_effort").is_none() && body.get("chat_template_kwargs").is_none());
}

#[test]
fn chat_gives_reasoning_back_under_the_name_it_came_with() {
    let habits = Arc::new(Habits::default());
    let mut adapter = Chat::new(vocabulary(), Arc::clone(&habits));
    read(&mut adapter, [fixture("chat-ollama.sse").as_slice()]);
    let body = chat::body("m", &request(CONVERSATION), &vocabulary(), &habits, 50);
    assert_eq!(body["messages"][2]["reasoning"], "Read it.");
}

#[test]
fn responses_are_told_the_conversation() {
    let body = responses::body(
        "m",
        &request(CONVERSATION),
        &vocabulary(),
        &Habits::default(),
        50,
    );
    let input = body["input"].as_array().unwrap();
    let kinds: Vec<&str> = input
        .iter()
        .map(|item| item["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "message",
            "reasoning",
            "message",
            "function_call",
            "function_call_output",
            "function_call",
            "function_call_output",
            "message",
            "message",
            "message"
        ]
    );
    assert_eq!(input[3]["call_id"], input[4]["call_id"]);
    assert_eq!(input[5]["arguments"], "{\"code\":\"print(1)\"}");
    assert_eq!(
        input[2]["content"][0],
        json!({"type": "output_text", "text": "I look.", "annotations": []})
    );
    assert_eq!(
        (&body["store"], &body["instructions"]),
        (&json!(false), &json!("Be brief."))
    );
    assert_eq!(body["reasoning"]["effort"], "high");
    assert_eq!(body["tools"][0]["name"], "read_file");
}

/// What a protocol of messages said comes back to it as it was.
#[test]
fn what_was_read_is_told_again_as_it_was() {
    for (name, mut adapter, ..) in fixtures() {
        if name.starts_with("completion") {
            continue;
        }
        let tokens = read(adapter.as_mut(), [fixture(name).as_slice()]).tokens;
        let calls = tokens.iter().filter(|id| **id == CALL).count();
        let mut items = vec![Item::User { text: "go".into() }, Item::Generated { tokens }];
        items.extend((0..calls).map(|call| Item::ToolResult {
            call: CallId(call as u64),
            tool: if name == "responses-calls.sse" && call == 1 {
                "python".into()
            } else {
                "functions.read_file".into()
            },
            text: format!("result {call}"),
        }));
        let fixed = PromptSpec {
            profile: PromptProfile::Demo,
            ..spec()
        };
        let prompt = crate::harmony::render::render(&vocabulary(), &fixed, &items).unwrap();
        let request = GenerateRequest {
            prompt,
            ..request("")
        };
        let body = chat::body("m", &request, &vocabulary(), &Habits::default(), 50);
        let said = &body["messages"][2];
        let results = body["messages"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|m| m["role"] == "tool")
            .count();
        assert_eq!(results, calls, "{name}: {body:#}");
        assert_eq!(
            said["tool_calls"].as_array().map_or(0, Vec::len),
            calls,
            "{name}"
        );
        if name == "chat-lmstudio.sse" {
            assert_eq!(said["content"], "I read both \u{1F99C}.");
            assert_eq!(said["reasoning_content"], "Two files to read.");
            assert_eq!(
                said["tool_calls"][1]["function"]["arguments"],
                "{\"pattern\":\"x\"}"
            );
        }
    }
}

#[test]
fn every_request_says_how_to_sample() {
    let sampling = request("").sampling;
    let body = completion::body(&[1, 2], sampling, 9);
    assert_eq!(
        (&body["prompt"], &body["n_predict"], &body["top_k"]),
        (&json!([1, 2]), &json!(9), &json!(0))
    );
    let body = completions::body("m", &[1], &Codec::Harmony, sampling, 9, Form::Logprobs);
    assert_eq!(body["stop_token_ids"], json!([RETURN, CALL]));
    assert_eq!(
        (&body["logprobs"], body.get("return_token_ids")),
        (&json!(0), None)
    );
    assert!(body["seed"].as_u64().unwrap() <= 0x7FFF_FFFF);
}

proptest! {
    /// Whatever a model samples, and however llama.cpp holds it back, no byte of it is lost.
    #[test]
    fn ids_that_llama_does_not_tell_are_found_again(ids in proptest::collection::vec(0..=LAST, 1..40)) {
        let vocabulary = vocabulary();
        let mut adapter = Completion::new(Arc::new(Codec::Harmony), vocabulary.clone());
        let (mut got, mut held, mut expected) = (Vec::new(), Vec::<u8>::new(), Vec::<u8>::new());
        for (count, &id) in ids.iter().enumerate() {
            held.extend(vocabulary.decode_bytes(&[id]));
            // As its `validate_utf8` does: nothing is sent while the text ends inside a character.
            let incomplete = std::str::from_utf8(&held).is_err_and(|error| error.error_len().is_none());
            if incomplete {
                continue;
            }
            let text = String::from_utf8_lossy(&held).into_owned();
            expected.extend(text.as_bytes());
            held.clear();
            let event = json!({"content": text, "tokens": [id], "stop": false, "tokens_predicted": count + 1});
            let mut reading = Reading::default();
            adapter.take(&event, &mut reading).unwrap();
            got.extend(reading.tokens);
        }
        let spelled = vocabulary.decode_bytes(&got);
        prop_assert_eq!(String::from_utf8_lossy(&spelled).into_owned().into_bytes(), expected);
    }

    /// However a text is cut into deltas, the same message comes out, and no text makes a special id.
    #[test]
    fn deltas_of_any_size_make_the_same_messages(
        parts in proptest::collection::vec(("[ \n]{0,3}(<\\|call\\|>|\u{1F99C}|[a-z<|>]{0,6})[ \n]{0,2}", 0..3usize), 1..8),
        cuts in proptest::collection::vec(1..9usize, 1..40),
    ) {
        let fields = ["reasoning_content", "content", "reasoning_content"];
        let run = |pieces: Vec<(String, usize)>| {
            let mut adapter = Chat::new(vocabulary(), Arc::new(Habits::default()));
            let mut reading = Reading::default();
            for (text, field) in pieces {
                let event = json!({"choices": [{"delta": {fields[field]: text}}]});
                adapter.take(&event, &mut reading).unwrap();
            }
            let end = json!({"choices": [{"delta": {}, "finish_reason": "stop"}]});
            adapter.take(&end, &mut reading).unwrap();
            reading.tokens
        };
        let mut sizes = cuts.iter().cycle();
        let pieces = parts.iter().flat_map(|(text, field)| {
            let chars: Vec<char> = text.chars().collect();
            let size = *sizes.next().unwrap();
            chars.chunks(size).map(|piece| (piece.iter().collect::<String>(), *field)).collect::<Vec<_>>()
        });
        let (whole, cut) = (run(parts.clone()), run(pieces.collect()));
        prop_assert_eq!(messages(&whole), messages(&cut));
        let structural = [START, CHANNEL, MESSAGE, END, RETURN];
        prop_assert!(whole.iter().all(|id| !is_special(*id) || structural.contains(id)));
    }
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
