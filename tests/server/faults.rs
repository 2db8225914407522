//! The engine against a stand-in: what every protocol gives, and what every fault comes to.

use super::*;
use crate::support::stand_in::*;
use descant::engine::Protocol;
use descant::engine::server::profile::ApiKey;
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
    let vocabulary = vocabulary();
    let ids = descant::engine::scripted::encode_spelled(
        &format!("<|channel|>final<|message|>{text}<|return|>"),
        &vocabulary,
    );
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
async fn a_stream_cut_anywhere_keeps_what_came_and_is_not_asked_for_again() {
    let (bytes, ends) = llama("Hi \u{1F99C}, you.");
    let whole = {
        let bytes = bytes.clone();
        let server = Kind::Llama.start(move |_, _| stream(&bytes));
        generate(&engine(target(&server.url)).await, request())
            .await
            .tokens
    };
    // Behind every event, and in the middle of the one after it; an end of the stream, and a broken connection.
    for (event, end) in ends.iter().enumerate().skip(1) {
        for (cut, whole_chunks) in [(*end, true), (*end, false), (*end + 9, false)] {
            let part = bytes[..cut].to_vec();
            let server = Kind::Llama.start(move |_, _| {
                if whole_chunks {
                    stream(&part)
                } else {
                    begin(&part)
                }
            });
            let done = generate(&engine(target(&server.url)).await, request()).await;
            let told = done.tokens.len();
            assert!(
                told >= event && whole.starts_with(&done.tokens),
                "event {event}"
            );
            if event + 1 == ends.len() {
                // The stop token is there: only the counts are missing.
                assert_eq!(done.ended, Ok(StopReason::Stop));
            } else {
                let said = done.error();
                assert!(
                    said.contains(&server.url) && said.contains("cut before its end"),
                    "{said}"
                );
                assert!(
                    said.contains("\n  ") && said.contains("try again"),
                    "{said}"
                );
            }
            assert_eq!(server.generations(Kind::Llama).len(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_token_it_is_asked_again() {
    let (bytes, _) = llama("Hi.");
    let error = |status, headers: &str| {
        answer_with(status, headers, &json!({"error": {"message": "busy"}}))
    };
    let faults: [(&str, Vec<Act>); 8] = [
        ("503", error(503, "")),
        ("500", error(500, "")),
        ("502", error(502, "")),
        ("429", error(429, "retry-after: 0\r\n")),
        (
            "529",
            error(529, "retry-after: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
        ),
        ("closed", vec![]),
        (
            "cut in the head",
            vec![Act::Send(b"HTTP/1.1 200 OK\r\ncontent-ty".to_vec())],
        ),
        ("cut before a token", begin(b": waiting\n\n")),
    ];
    for (name, fault) in faults {
        let bytes = bytes.clone();
        let server = Kind::Llama.start(move |_, before| {
            if before < 2 {
                fault.clone()
            } else {
                stream(&bytes)
            }
        });
        let done = generate(&engine(target(&server.url)).await, request()).await;
        assert_eq!(done.ended, Ok(StopReason::Stop), "{name}");
        assert_eq!(
            (server.generations(Kind::Llama).len(), done.notices.len()),
            (3, 2),
            "{name}"
        );
        assert!(
            done.notices[0].contains(&server.url) && done.notices[0].contains("attempt 2 of 3"),
            "{:?}",
            done.notices
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_pass_is_not_asked_again() {
    let faults = [
        (
            answer(503, &json!({"error": {"message": "busy"}})),
            3,
            "503 Service Unavailable",
            "try again",
        ),
        (
            answer_with(429, "retry-after: 3600\r\n", &json!({"error": "quota"})),
            1,
            "try again in 3600 seconds",
            "try again",
        ),
        (
            answer(
                400,
                &json!({"error": {"message": "the request exceeds the available context size"}}),
            ),
            1,
            "400 Bad Request",
            "/compact",
        ),
        (
            answer(404, &json!({"detail": "no such model"})),
            1,
            "no such model",
            "descant models list",
        ),
        (
            answer(401, &json!({"message": "who are you"})),
            1,
            "401 Unauthorized",
            "set DESCANT_API_KEY",
        ),
        (answer(413, &json!(null)), 1, "413", "/compact"),
        (
            answer(
                500,
                &json!({"error": {"message": "tools param requires --jinja flag"}}),
            ),
            1,
            "--jinja",
            "takes no tools",
        ),
        (
            answer(200, &json!({"error": {"message": "model is broken"}})),
            1,
            "model is broken",
            "log",
        ),
        (
            answer(200, &json!({"hello": 1})),
            1,
            "not a stream of events but application/json",
            "model server",
        ),
        (
            stream(b"data: {\"choices\":[{\"del\n\n"),
            1,
            "no JSON",
            "model server",
        ),
        (
            stream(b"data: {\"error\":{\"message\":\"CUDA out of memory\"}}\n\n"),
            1,
            "CUDA out of memory",
            "log",
        ),
        (
            stream(b"data: {\"content\":\"Hi\",\"stop\":false}\n\n"),
            1,
            "without the ids",
            "protocol",
        ),
        (
            stream(&[b"data: \"\xff\xfe".as_slice(), b"\n\n"].concat()),
            1,
            "no JSON",
            "model server",
        ),
    ];
    for (fault, attempts, what, hint) in faults {
        let server = Kind::Llama.start(move |_, _| fault.clone());
        let done = generate(&engine(target(&server.url)).await, request()).await;
        let said = done.error();
        let (first, next) = said.split_once('\n').unwrap();
        assert!(
            first.starts_with(&server.url) && first.contains(what),
            "{said}"
        );
        assert!(next.contains(hint), "{said}");
        assert_eq!(server.generations(Kind::Llama).len(), attempts, "{said}");
        assert!(done.tokens.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_server_is_given_up() {
    let (bytes, ends) = llama("Hi there.");
    let part = bytes[..ends[3]].to_vec();
    for (acts, tokens, what) in [
        (vec![Act::Hang], 0, "no token came within"),
        (
            [begin(b": ping\n\n"), vec![Act::Hang]].concat(),
            0,
            "no token came within",
        ),
        (
            [begin(&part), vec![Act::Hang]].concat(),
            3,
            "stood still for",
        ),
        // Comments are no tokens, however many come.
        (
            [
                begin(&part),
                vec![Act::Flood(b"8\r\n: ping\n\n\r\n".to_vec())],
            ]
            .concat(),
            3,
            "stood still for",
        ),
    ] {
        let server = Kind::Llama.start(move |_, _| acts.clone());
        let mut target = target(&server.url);
        target.profile.timeouts.first_token = Duration::from_secs(3);
        target.profile.timeouts.idle = Duration::from_secs(1);
        let done = generate(&engine(target).await, request()).await;
        assert!(done.error().contains(what), "{}", done.error());
        assert_eq!(done.tokens.len(), tokens);
        server.wait_closed(1);
        assert_eq!(server.generations(Kind::Llama).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_at_every_token_closes_the_connection() {
    let (bytes, ends) = llama("Hi you.");
    for end in &ends {
        let part = bytes[..*end].to_vec();
        let count = ends.iter().position(|other| other == end).unwrap();
        let server = Kind::Llama.start(move |_, _| [begin(&part), vec![Act::Hang]].concat());
        let engine = engine(target(&server.url)).await;
        let request = request();
        let cancel = request.cancel.clone();
        let mut events = engine.generate(request);
        let (mut seen, mut stop) = (0, None);
        if count == 0 {
            cancel.cancel();
        }
        while let Some(event) = events.recv().await {
            match event {
                EngineEvent::Tokens(tokens) => {
                    seen += tokens.len();
                    if seen == count {
                        cancel.cancel();
                    }
                }
                EngineEvent::Finished {
                    tokens, stop: how, ..
                } => {
                    assert_eq!(tokens.len(), count);
                    stop = Some(how);
                }
                EngineEvent::Failed { error, .. } => panic!("{error}"),
                _ => {}
            }
        }
        let whole = count + 1 == ends.len();
        assert_eq!(
            stop,
            Some(if whole {
                StopReason::Stop
            } else {
                StopReason::Cancelled
            })
        );
        // One that was cancelled before it was sent leaves nothing to close.
        if count > 0 {
            server.wait_closed(1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_closes_the_connection_and_a_wait_ends_with_the_user() {
    let (bytes, ends) = llama("Hi you.");
    let part = bytes[..ends[2]].to_vec();
    let server = Kind::Llama.start(move |_, _| [begin(&part), vec![Act::Hang]].concat());
    let engine = engine(target(&server.url)).await;
    let mut events = engine.generate(request());
    while !matches!(events.recv().await, Some(EngineEvent::Tokens(_))) {}
    drop(events);
    server.wait_closed(1);
    // While it waits to ask again.
    let busy = Kind::Llama.start(|_, _| answer_with(429, "retry-after: 50\r\n", &json!({})));
    let engine = super::engine(target(&busy.url)).await;
    let request = request();
    let cancel = request.cancel.clone();
    let mut events = engine.generate(request);
    while !matches!(events.recv().await, Some(EngineEvent::Notice(_))) {}
    cancel.cancel();
    let last = events.recv().await;
    assert!(
        matches!(
            last,
            Some(EngineEvent::Finished {
                stop: StopReason::Cancelled,
                ..
            })
        ),
        "{last:?}"
    );
    assert_eq!(busy.generations(Kind::Llama).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_end_is_bounded() {
    let line = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    for (kind, acts) in [
        (
            Kind::Llama,
            [begin(b"data: "), vec![Act::Flood(line.clone())]].concat(),
        ),
        (Kind::Chat, [begin(b""), vec![Act::Flood(line)]].concat()),
    ] {
        let server = kind.start(move |_, _| acts.clone());
        let done = generate(&engine(target(&server.url)).await, request()).await;
        assert!(done.error().contains("more than 4 MiB"), "{}", done.error());
        server.wait_closed(1);
    }
    // A list of models without end is no list.
    let head =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n[".to_vec();
    let server =
        StandIn::start(move |_, _| vec![Act::Send(head.clone()), Act::Flood(vec![b'['; 0x10000])]);
    let error = connect(target(&server.url), vocabulary(), |_| {})
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("no list of models"), "{error}");
    server.wait_closed(1);
    // Tokens without end are more than were asked for.
    let one = event(&json!({"content": "a", "tokens": [64], "stop": false}));
    let many = [format!("{:x}\r\n", one.len()).as_bytes(), &one, b"\r\n"].concat();
    let server =
        Kind::Llama.start(move |_, _| [begin(b""), vec![Act::Flood(many.clone())]].concat());
    let done = generate(&engine(target(&server.url)).await, request()).await;
    assert_eq!(
        (done.ended, done.tokens.len()),
        (Ok(StopReason::Length), 500)
    );
    server.wait_closed(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_that_does_not_fit_is_not_sent() {
    let server = Kind::Llama.start(|_, _| answer(500, &json!({})));
    let mut small = target(&server.url);
    small.profile.context = Some(600);
    let engine = engine(small).await;
    assert_eq!(engine.info().context_length, 600);
    let long = GenerateRequest {
        prompt: vec![64; 600],
        ..request()
    };
    let done = generate(&engine, long).await;
    assert_eq!(
        done.ended,
        Err(EngineError::ContextFull {
            prompt: 600,
            context: 600
        })
    );
    assert!(server.generations(Kind::Llama).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_must_be_there() {
    let models = |ids: &'static [&'static str]| {
        StandIn::start(move |asked, _| match asked.line.as_str() {
            "GET /v1/models" => answer(
                200,
                &json!({"data": ids.iter().map(|id| json!({"id": id})).collect::<Vec<_>>()}),
            ),
            "POST /v1/chat/completions" => answer(400, &json!({"error": "messages"})),
            _ => answer(404, &json!({"error": "not found"})),
        })
    };
    let connected = async |server: &StandIn, model: Option<&str>| {
        let target = Target {
            model: model.map(str::to_owned),
            ..target(&server.url)
        };
        let name = |engine: ServerEngine| engine.info().name.split('@').next().unwrap().to_owned();
        connect(target, vocabulary(), |_| {})
            .await
            .map(name)
            .map_err(|error| error.to_string())
    };
    let two = models(&["qwen3:8b", "gpt-oss:20b"]);
    assert_eq!(connected(&two, None).await, Ok("gpt-oss:20b".into()));
    assert_eq!(
        connected(&two, Some("qwen3:8b")).await,
        Ok("qwen3:8b".into())
    );
    let wrong = connected(&two, Some("gpt-oss-20b")).await.unwrap_err();
    assert!(
        wrong.contains("it has no model gpt-oss-20b")
            && wrong.contains("there are: qwen3:8b, gpt-oss:20b"),
        "{wrong}"
    );
    let unclear = connected(&models(&["a", "b"]), None).await.unwrap_err();
    assert!(
        unclear.contains("several models") && unclear.contains("a, b"),
        "{unclear}"
    );
    let empty = connected(&models(&[]), None).await.unwrap_err();
    assert!(
        empty.contains("it has no model") && empty.contains("load a model"),
        "{empty}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_vocabulary_is_not_spoken_to_in_ids() {
    let server = StandIn::start(|asked, _| match asked.line.as_str() {
        "POST /tokenize" => answer(200, &json!({"tokens": [1, 2, 3]})),
        "GET /props" => answer(200, &json!({})),
        _ => Kind::Chat
            .greets(asked)
            .unwrap_or_else(|| stream(&fixture("chat-mistralrs.sse"))),
    });
    let engine = engine(target(&server.url)).await;
    assert_eq!(engine.info().protocol, Some(Protocol::Chat));
    assert_eq!(
        generate(&engine, request()).await.ended,
        Ok(StopReason::Stop)
    );
    let mut forced = target(&server.url);
    forced.profile.protocol = Some(Protocol::Completion);
    let error = connect(forced, vocabulary(), |_| {})
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("token ids of GPT-OSS"), "{error}");
    let nothing = StandIn::start(|asked, _| match asked.line.as_str() {
        "GET /v1/models" => Kind::Chat.greets(asked).unwrap(),
        _ => answer(404, &json!({})),
    });
    let error = connect(target(&nothing.url), vocabulary(), |_| {})
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("it speaks none of"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_loading_is_waited_for() {
    let server = StandIn::start(|asked, before| {
        if asked.line == "GET /v1/models" && before < 2 {
            let body = json!({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}});
            return answer_with(503, "retry-after: 0\r\n", &body);
        }
        Kind::Llama.greets(asked).unwrap_or_default()
    });
    let mut told = Vec::new();
    let mut impatient = target(&server.url);
    impatient.profile.retries = 0;
    connect(impatient, vocabulary(), |progress| {
        told.push(progress.stage)
    })
    .await
    .unwrap();
    assert_eq!(told, ["the server is loading it"; 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_effort_is_heeded_for_good() {
    let server = Kind::Chat.start(|asked, _| match asked.body.get("reasoning_effort") {
        Some(_) => answer(
            400,
            &json!({"error": {"message": "\"m\" does not support thinking"}}),
        ),
        None => stream(&fixture("chat-mistralrs.sse")),
    });
    let engine = engine(target(&server.url)).await;
    for asked in [2, 3] {
        let done = generate(&engine, request()).await;
        assert_eq!((done.ended, done.notices.len()), (Ok(StopReason::Stop), 0));
        assert_eq!(server.generations(Kind::Chat).len(), asked);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_without_tools_is_said_to_be_one() {
    let server = Kind::Chat.start(|_, _| {
        answer(400, &json!({"error": {"message": "registry.ollama.ai/library/gemma:2b does not support tools", "type": "api_error"}}))
    });
    let done = generate(&engine(target(&server.url)).await, request()).await;
    let said = done.error();
    assert!(
        said.contains("does not support tools") && said.contains("takes no tools there"),
        "{said}"
    );
    assert_eq!(server.generations(Kind::Chat).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_goes_to_its_server_alone_and_is_never_repeated() {
    let elsewhere = StandIn::start(|_, _| answer(200, &json!({"data": []})));
    let place = format!("location: {}/v1/models\r\n", elsewhere.url);
    let key = ApiKey::new("sk-very-secret-0123456789");
    let server = StandIn::start(move |asked, before| match (asked.line.as_str(), before) {
        ("GET /v1/models", 0) => Kind::Chat.greets(asked).unwrap(),
        ("GET /v1/models", _) => answer_with(307, &place, &json!({})),
        _ => answer(
            401,
            &json!({"error": {"message": "bad key: Bearer sk-very-secret-0123456789"}}),
        ),
    });
    let mut target = target(&server.url);
    target.profile.key = key;
    target.profile.key_variable = "TEAM_KEY".into();
    let error = connect(target.clone(), vocabulary(), |_| {})
        .await
        .unwrap_err();
    let said = format!("{error} {error:?} {target:?}");
    assert!(
        said.contains("bad key: Bearer ***") && said.contains("the key in TEAM_KEY"),
        "{said}"
    );
    assert!(!said.contains("secret"), "{said}");
    assert!(
        server.asked("GET /v1/models")[0]
            .headers
            .contains("authorization: bearer sk-very-secret-0123456789")
    );
    let error = connect(target, vocabulary(), |_| {})
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&format!("sends to {}", elsewhere.url)),
        "{error}"
    );
    assert_eq!(elsewhere.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_context_is_asked_for_where_the_list_of_models_does_not_say_it() {
    let chat = |more: fn(&Asked) -> Option<serde_json::Value>| {
        StandIn::start(move |asked, _| match asked.line.as_str() {
            "GET /v1/models" => answer(200, &json!({"data": [{"id": "m"}]})),
            "POST /v1/chat/completions" => answer(400, &json!({"error": "messages"})),
            _ => match more(asked) {
                Some(body) => answer(200, &body),
                None => answer(404, &json!({"error": "not found"})),
            },
        })
    };
    // Ollama holds what it was loaded with; asked without a prompt, it loads.
    let ollama = chat(|asked| match asked.line.as_str() {
        "GET /api/version" => Some(json!({"version": "0.13.3"})),
        "POST /api/generate" => (asked.body["model"] == "m").then(|| json!({"done": true})),
        "GET /api/ps" => {
            Some(json!({"models": [{"name": "m", "model": "m", "context_length": 4096}]}))
        }
        _ => None,
    });
    let studio = chat(|asked| {
        let models = json!({"data": [{"id": "m", "max_context_length": 131_072, "loaded_context_length": 8192}]});
        (asked.line == "GET /api/v0/models").then_some(models)
    });
    let silent = chat(|_| None);
    for (server, context) in [(&ollama, 4096), (&studio, 8192), (&silent, 32_768)] {
        let engine = engine(target(&server.url)).await;
        assert_eq!(engine.info().context_length, context);
    }
    assert_eq!(ollama.asked("POST /api/generate").len(), 1);
}
