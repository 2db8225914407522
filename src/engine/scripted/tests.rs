use super::*;
use crate::engine::Sampling;
use crate::harmony::HarmonyEvent;
use tokio_util::sync::CancellationToken;

fn vocabulary() -> Arc<Vocabulary> {
    Vocabulary::load(Path::new("/nonexistent")).unwrap()
}

fn request(text: &str, vocabulary: &Vocabulary) -> GenerateRequest {
    GenerateRequest {
        prompt: encode_spelled(text, vocabulary),
        sampling: Sampling::GREEDY,
        max_tokens: 1_000,
        cancel: CancellationToken::new(),
        spec: None,
        offer: None,
    }
}

async fn all(mut events: mpsc::Receiver<EngineEvent>) -> Vec<EngineEvent> {
    let mut got = Vec::new();
    while let Some(event) = events.recv().await {
        got.push(event);
    }
    got
}

const CALL: &str = "<|channel|>analysis<|message|>Look.<|end|><|start|>assistant<|channel|>commentary to=functions.search<|message|>{}<|call|>";
const ANSWER: &str = "<|channel|>final<|message|>Done <|x|>.<|return|>";

#[tokio::test]
async fn replays_in_order_and_keeps_the_prompts() {
    let v = vocabulary();
    let engine = ScriptedEngine::new(Script::of([CALL, ANSWER]), v.clone());
    let first = all(engine.generate(request("<|start|>user<|message|>a<|end|>", &v))).await;
    let Some(EngineEvent::Finished {
        tokens,
        usage,
        stop,
    }) = first.last()
    else {
        panic!("{first:?}")
    };
    assert_eq!(v.decode_bytes(tokens), CALL.as_bytes());
    assert_eq!(*stop, StopReason::Stop);
    assert_eq!(usage.generated_tokens, tokens.len());
    assert!(usage.reasoning_tokens > 0 && usage.reasoning_tokens < tokens.len());
    let done: Vec<_> = first
        .iter()
        .filter_map(|e| match e {
            EngineEvent::Harmony(HarmonyEvent::MessageDone(m)) => {
                Some((m.text.as_str(), m.header.recipient.as_deref()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(done, [("Look.", None), ("{}", Some("functions.search"))]);

    let second = all(engine.generate(request("b", &v))).await;
    let Some(EngineEvent::Finished { tokens, .. }) = second.last() else {
        panic!("{second:?}")
    };
    assert_eq!(v.decode_bytes(tokens), ANSWER.as_bytes());
    assert_eq!(engine.prompts(), ["<|start|>user<|message|>a<|end|>", "b"]);
    assert_eq!(engine.generations_left(), 0);

    let third = all(engine.generate(request("c", &v))).await;
    assert!(
        matches!(&third[..], [EngineEvent::Failed { error: EngineError::Broken(why), .. }] if why.contains("2 generations"))
    );
}

#[tokio::test]
async fn accidents_happen_where_they_are_put() {
    let v = vocabulary();
    let run = async |accident| {
        let generation = ScriptedGeneration {
            accident: Some(accident),
            ..ScriptedGeneration::new(ANSWER)
        };
        let script = Script {
            generations: vec![generation],
            ..Script::default()
        };
        let engine = ScriptedEngine::new(script, v.clone());
        let request = request("a", &v);
        let cancel = request.cancel.clone();
        let events = engine.generate(request);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            cancel.cancel();
        });
        all(events).await
    };
    let failed = run(Accident::Fail(4)).await;
    assert!(
        matches!(failed.last(), Some(EngineEvent::Failed { tokens, .. }) if tokens.len() == 4),
        "{failed:?}"
    );
    let died = run(Accident::Die(4)).await;
    assert!(
        !matches!(
            died.last(),
            Some(EngineEvent::Finished { .. } | EngineEvent::Failed { .. })
        ),
        "{died:?}"
    );
    let hung = run(Accident::Hang(4)).await;
    assert!(
        matches!(hung.last(), Some(EngineEvent::Finished { tokens, stop: StopReason::Cancelled, .. }) if tokens.len() == 4),
        "{hung:?}"
    );
    let late = run(Accident::Hang(1_000)).await;
    assert!(
        matches!(
            late.last(),
            Some(EngineEvent::Finished {
                stop: StopReason::Stop,
                ..
            })
        ),
        "{late:?}"
    );
}

#[tokio::test]
async fn limits_and_cancel_are_those_of_an_engine() {
    let v = vocabulary();
    let script = Script {
        context_length: 10,
        ..Script::of([ANSWER, ANSWER, ANSWER])
    };
    let engine = ScriptedEngine::new(script, v.clone());
    let few = GenerateRequest {
        max_tokens: 3,
        ..request("a", &v)
    };
    let events = all(engine.generate(few)).await;
    assert!(
        matches!(events.last(), Some(EngineEvent::Finished { tokens, stop: StopReason::Length, .. }) if tokens.len() == 3)
    );
    let long = all(engine.generate(request("a b c d e f g h i j k", &v))).await;
    assert!(matches!(
        &long[..],
        [EngineEvent::Failed {
            error: EngineError::ContextFull { context: 10, .. },
            ..
        }]
    ));
    let cancelled = request("a", &v);
    cancelled.cancel.cancel();
    let events = all(engine.generate(cancelled)).await;
    assert!(
        matches!(events.last(), Some(EngineEvent::Finished { tokens, stop: StopReason::Cancelled, .. }) if tokens.is_empty())
    );
}

#[test]
fn reads_json_and_toml_and_refuses_unknown_keys() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("s.json");
    std::fs::write(
        &json,
        r#"{"generations":[{"text":"x","token_ms":5,"accident":{"fail":2}}]}"#,
    )
    .unwrap();
    let toml = folder.path().join("s.toml");
    std::fs::write(
        &toml,
        "[[generations]]\ntext = \"x\"\ntoken_ms = 5\naccident = { fail = 2 }\n",
    )
    .unwrap();
    let script = Script::read(&json).unwrap();
    assert_eq!(script, Script::read(&toml).unwrap());
    assert_eq!(script.generations[0].accident, Some(Accident::Fail(2)));
    assert_eq!(script.context_length, 131_072);
    std::fs::write(&json, r#"{"generatoins":[]}"#).unwrap();
    assert!(
        Script::read(&json)
            .unwrap_err()
            .to_string()
            .contains("generatoins")
    );
}

#[test]
fn spelled_tokens_become_special_and_nothing_else_does() {
    let v = vocabulary();
    let ids = encode_spelled("<|start|>a<|nope|><|call|>", &v);
    assert_eq!((ids[0], *ids.last().unwrap()), (200_006, 200_012));
    assert_eq!(ids.iter().filter(|id| **id >= 199_998).count(), 2);
    assert_eq!(v.decode_bytes(&ids), b"<|start|>a<|nope|><|call|>");
}

#[tokio::test]
async fn analysis_beyond_the_budget_is_not_said() {
    let v = vocabulary();
    let long = CALL.replace("Look.", "one two three four five six");
    let script = Script::of([long.as_str(), long.as_str(), ANSWER]);
    let engine = ScriptedEngine::new(script, v.clone());
    let within = |budget| {
        let mut request = request("a", &v);
        request.sampling.reasoning_budget = Some(budget);
        request
    };
    let cut = all(engine.generate(within(3))).await;
    let Some(EngineEvent::Finished { tokens, .. }) = cut.last() else {
        panic!("{cut:?}")
    };
    let text = CALL.replace("Look.", "one two three");
    assert_eq!(v.decode_bytes(tokens), text.as_bytes());
    assert!(cut.contains(&EngineEvent::ReasoningEnded { tokens: 3 }));
    for (text, budget) in [(long.as_str(), 6), (ANSWER, 0)] {
        let whole = all(engine.generate(within(budget))).await;
        let Some(EngineEvent::Finished { tokens, .. }) = whole.last() else {
            panic!("{whole:?}")
        };
        assert_eq!(v.decode_bytes(tokens), text.as_bytes());
        let ended = |event: &EngineEvent| matches!(event, EngineEvent::ReasoningEnded { .. });
        assert!(!whole.iter().any(ended));
    }
}
