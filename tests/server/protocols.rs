//! What every protocol gives.

use super::*;
use crate::support::stand_in::*;
use descant::engine::Protocol;
use serde_json::json;

/// Each kind, a stream of its own, and what that spells.
fn kinds() -> [(Kind, Vec<u8>, &'static str, Protocol); 5] {
    let spelled = "<|channel|>analysis<|message|>Look at a parrot: \u{1F99C}\u{1318F} first.<|end|><|start|>assistant\
        <|channel|>commentary to=functions.read_file <|constrain|>json<|message|>{\"path\":\"src/na\u{ef}ve.py\"}<|call|>";
    [
        (
            Kind::Llama,
            llama("Hi \u{1F99C}.").0,
            "<|channel|>final<|message|>Hi \u{1F99C}.<|return|>",
            Protocol::Completion,
        ),
        (
            Kind::Vllm,
            fixture("completions-vllm.sse"),
            spelled,
            Protocol::Completions,
        ),
        (
            Kind::OldVllm,
            fixture("completions-vllm-logprobs.sse"),
            spelled,
            Protocol::Completions,
        ),
        (
            Kind::Responses,
            fixture("responses-answer.sse"),
            "<|channel|>analysis<|message|>A sum of two.<|end|><|start|>assistant<|channel|>commentary<|message|>2 + 2 = 4 \u{1F99C}<|return|>",
            Protocol::Responses,
        ),
        (
            Kind::Chat,
            fixture("chat-sglang.sse"),
            "<|channel|>analysis<|message|>It is four.<|end|><|start|>assistant<|channel|>commentary<|message|>\n2 + 2 = 4<|return|>",
            Protocol::Chat,
        ),
    ]
}

/// A stream of llama.cpp that answers `text`, an event an id; the ends of its events.
pub fn llama(text: &str) -> (Vec<u8>, Vec<usize>) {
    llama_says(&format!("<|channel|>final<|message|>{text}<|return|>"))
}

/// As [`llama`], whatever it says.
pub fn llama_says(spelled: &str) -> (Vec<u8>, Vec<usize>) {
    let vocabulary = vocabulary();
    let ids = descant::engine::scripted::encode_spelled(spelled, &vocabulary);
    let (mut bytes, mut ends, mut held) = (Vec::new(), vec![0], Vec::new());
    for (count, id) in ids.iter().enumerate() {
        held.extend(vocabulary.decode_bytes(&[*id]));
        let Ok(content) = String::from_utf8(held.clone()) else {
            continue;
        };
        held.clear();
        bytes.extend(event(&json!({"content": content, "tokens": [id], "stop": false, "tokens_predicted": count + 1})));
        ends.push(bytes.len());
    }
    bytes.extend(event(&json!({"content": "", "tokens": [], "stop": true, "stop_type": "eos", "tokens_evaluated": 9,
        "timings": {"cache_n": 4, "prompt_n": 5, "predicted_n": ids.len()}})));
    (bytes, ends)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_protocol_is_found_and_gives_its_ids() {
    for (kind, bytes, spelled, protocol) in kinds() {
        let server = kind.start(move |_, _| stream(&bytes));
        let engine = engine(target(&server.url)).await;
        let info = engine.info();
        assert_eq!(info.protocol, Some(protocol), "{kind:?}");
        assert_eq!(
            (info.context_length, info.device.as_str()),
            (CONTEXT, server.url.as_str())
        );
        assert!(
            info.name.starts_with("openai/gpt-oss-20b@127.0.0.1:"),
            "{}",
            info.name
        );
        let done = generate(&engine, request()).await;
        assert_eq!(
            (done.text().as_str(), &done.ended),
            (spelled, &Ok(StopReason::Stop)),
            "{kind:?}"
        );
        assert!(
            done.usage.prompt_tokens > 0 && done.usage.generated_tokens > 0,
            "{:?}",
            done.usage
        );
        let asked = server.generations(kind);
        assert_eq!(asked.len(), 1);
        // Nothing but what is needed, and no key where there is none.
        assert!(
            asked[0].headers.contains("user-agent: descant/"),
            "{}",
            asked[0].headers
        );
        assert!(
            !asked[0].headers.contains("authorization"),
            "{}",
            asked[0].headers
        );
        if matches!(kind, Kind::Llama | Kind::Vllm | Kind::OldVllm) {
            assert_eq!(asked[0].body["prompt"], json!(request().prompt));
        } else {
            assert!(asked[0].body.to_string().contains("Go on."));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_come_one_by_one_are_the_same_stream() {
    for (kind, bytes, spelled, _) in kinds() {
        let server = kind.start(move |_, _| stream_bytewise(&bytes));
        let done = generate(&engine(target(&server.url)).await, request()).await;
        assert_eq!(
            (done.text().as_str(), done.ended),
            (spelled, Ok(StopReason::Stop)),
            "{kind:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reasoning_ends_at_its_budget_and_the_answer_is_asked_for_behind_it() {
    let said = "<|channel|>analysis<|message|>one two three";
    let (thought, ends) = llama_says(&format!("{said} four five six"));
    let thought = thought[..*ends.last().unwrap()].to_vec();
    let (rest, _) = llama_says("42.<|return|>");
    let server = Kind::Llama.start(move |_, before| match before {
        0 => [begin(&thought), vec![Act::Hang]].concat(),
        1 => answer(503, &json!({"error": {"message": "busy"}})),
        _ => stream(&rest),
    });
    let mut request = request();
    request.sampling.reasoning_budget = Some(3);
    let prompt = request.prompt.clone();
    let done = generate(&engine(target(&server.url)).await, request).await;
    let opened = format!("{said}<|end|><|start|>assistant<|channel|>final<|message|>");
    assert_eq!(done.text(), format!("{opened}42.<|return|>"));
    assert_eq!(
        (&done.streamed, done.ended),
        (&done.tokens, Ok(StopReason::Stop))
    );
    // The first request was let go, and the last goes on behind what was said.
    server.wait_closed(1);
    let asked = server.generations(Kind::Llama);
    assert_eq!(asked.len(), 3);
    let opened = descant::engine::scripted::encode_spelled(&opened, &vocabulary());
    let expected = [prompt, opened.clone()].concat();
    assert_eq!(asked[2].body["prompt"], json!(expected));
    assert_eq!(asked[2].body["n_predict"], json!(500 - opened.len()));
    assert_eq!(done.usage.generated_tokens, done.tokens.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_told_messages_keeps_no_budget_and_that_is_said_once() {
    let bytes = fixture("chat-sglang.sse");
    let server = Kind::Chat.start(move |_, _| stream(&bytes));
    let engine = engine(target(&server.url)).await;
    for notices in [1, 0] {
        let mut request = request();
        request.sampling.reasoning_budget = Some(3);
        let done = generate(&engine, request).await;
        assert_eq!(done.ended, Ok(StopReason::Stop));
        assert_eq!(done.notices.len(), notices, "{:?}", done.notices);
    }
}
