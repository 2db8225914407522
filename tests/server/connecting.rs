//! What is asked and refused before the first prompt.

use super::*;
use crate::support::stand_in::*;
use descant::engine::Protocol;
use descant::engine::server::profile::ApiKey;
use serde_json::json;

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
