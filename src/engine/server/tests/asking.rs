//! What each protocol is asked.

use super::*;

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
