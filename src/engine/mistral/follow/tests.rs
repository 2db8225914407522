//! An engine that misbehaves, played by the test through the two ends the real one has: the processor's
//! record and the response channel.

use super::*;
use crate::engine::codec::Codec;
use crate::engine::guided::Guided;
use crate::engine::mistral::steer::Chooser;
use crate::engine::sample::Sampler;
use crate::engine::{EngineEvent, GenerateRequest, Sampling};
use crate::harmony::vocab::{self, Vocabulary};
use mistralrs::core::{CompletionChunkChoice, CompletionChunkResponse};
use mistralrs::{CustomLogitsProcessor, Device, Tensor};
use std::sync::Arc;

struct Stage {
    vocabulary: Arc<Vocabulary>,
    generation: Arc<Generation>,
    request: GenerateRequest,
    reading: Reading,
}

impl Stage {
    fn new(limit: usize) -> Self {
        let request = GenerateRequest {
            prompt: vec![vocab::START; 3],
            sampling: Sampling::GREEDY,
            max_tokens: limit,
            cancel: CancellationToken::new(),
            spec: None,
            offer: None,
        };
        let chooser = Chooser {
            sampler: Sampler::new(Sampling::GREEDY),
            guided: Guided::default(),
            reasoning: None,
        };
        let generation =
            Generation::new(Arc::new(Codec::Harmony), &request, chooser, 3, limit, None);
        Stage {
            vocabulary: Vocabulary::load(std::path::Path::new("/nonexistent")).unwrap(),
            generation: Arc::new(generation),
            request,
            reading: Reading {
                before: 0,
                here: 3,
                expected: 3,
                last: true,
            },
        }
    }

    /// The engine asks for a token where `best` has the best score; what it is handed.
    fn step(&self, best: u32, seen: usize) -> u32 {
        let mut scores = vec![0f32; 201_088];
        scores[best as usize] = 5.0;
        let steer = crate::engine::mistral::steer::Steer(self.generation.clone());
        let scores = Tensor::from_vec(scores, 201_088, &Device::Cpu).unwrap();
        let left: Vec<f32> = steer
            .apply(&scores, &vec![0; seen])
            .unwrap()
            .to_vec1()
            .unwrap();
        let best = left
            .iter()
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(b.1))
            .unwrap()
            .0;
        u32::try_from(best).unwrap()
    }

    /// Follows while `engine` plays; the end and every event, the last one aside.
    async fn follow<F>(
        &self,
        engine: impl FnOnce(mpsc::Sender<Response>) -> F,
    ) -> (End, Vec<EngineEvent>, usize)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, responses) = mpsc::channel(4);
        let engine = tokio::spawn(engine(sender));
        let (events, mut reader) = mpsc::channel(64);
        let mut outbox = Outbox::new(events);
        let patience = Patience {
            first_token: Duration::from_millis(400),
            token: Duration::from_millis(200),
        };
        let transcript = Transcript::new(&self.vocabulary);
        let mut follow = Follow::new(
            &self.generation,
            responses,
            &self.request.cancel,
            &mut outbox,
            transcript,
            patience,
            self.reading,
        );
        let end = tokio::time::timeout(Duration::from_secs(5), follow.run_out())
            .await
            .expect("never a hang");
        let tokens = follow.transcript.len();
        drop(follow);
        outbox.flush();
        drop(outbox);
        let mut got = Vec::new();
        while let Some(event) = reader.recv().await {
            got.push(event);
        }
        engine.abort();
        (end, got, tokens)
    }
}

fn chunk() -> Response {
    Response::CompletionChunk(CompletionChunkResponse {
        id: String::new(),
        choices: vec![CompletionChunkChoice {
            text: String::new(),
            index: 0,
            logprobs: None,
            finish_reason: None,
        }],
        created: 0,
        model: String::new(),
        system_fingerprint: String::new(),
        object: String::new(),
    })
}

#[test]
fn the_record_gets_the_stop_and_the_engine_the_sacrifice() {
    let stage = Stage::new(100);
    assert_eq!(stage.step(17, 3), 17);
    assert_eq!(stage.step(vocab::CALL, 4), vocab::RESERVED);
    assert_eq!(stage.step(18, 5), vocab::RESERVED, "nothing after the stop");
    let mut record = Vec::new();
    assert_eq!(
        stage.generation.since(0, &mut record),
        Some(StopReason::Stop)
    );
    assert_eq!(record, [17, vocab::CALL]);
    assert_eq!(
        stage.generation.handed(),
        [17, vocab::RESERVED, vocab::RESERVED]
    );
    assert_eq!(stage.generation.first().unwrap().fresh, 3);
}

#[test]
fn the_last_token_of_the_limit_is_a_sacrifice_too() {
    let stage = Stage::new(2);
    assert_eq!(
        (stage.step(17, 1), stage.step(18, 4)),
        (17, vocab::RESERVED)
    );
    let mut record = Vec::new();
    assert_eq!(
        stage.generation.since(0, &mut record),
        Some(StopReason::Length)
    );
    assert_eq!(record, [17, 18]);
    assert_eq!(
        stage.generation.first().unwrap().fresh,
        1,
        "two prompt tokens were cached"
    );
}

#[test]
fn the_model_cannot_choose_the_sacrifice() {
    let stage = Stage::new(9);
    assert_eq!(stage.step(vocab::RESERVED, 3), 0);
}

#[tokio::test]
async fn an_engine_that_never_answers_is_told() {
    let stage = Stage::new(9);
    let (end, events, _) = stage
        .follow(|sender| async move {
            std::future::pending::<()>().await;
            drop(sender);
        })
        .await;
    assert!(matches!(end, End::Hung(EngineError::Broken(_))), "{end:?}");
    assert!(events.is_empty());
}

#[tokio::test]
async fn an_engine_that_stops_answering_keeps_what_it_gave() {
    let stage = Stage::new(9);
    stage.step(17, 3);
    let (end, events, tokens) = stage
        .follow(|sender| async move {
            sender.send(chunk()).await.unwrap();
            std::future::pending::<()>().await;
        })
        .await;
    assert!(matches!(end, End::Hung(_)), "{end:?}");
    assert_eq!(tokens, 1);
    assert_eq!(
        events.first(),
        Some(&EngineEvent::Prefill { done: 3, total: 3 })
    );
}

#[tokio::test]
async fn an_engine_whose_thread_dies_is_told() {
    let stage = Stage::new(9);
    stage.step(17, 3);
    let (end, _, tokens) = stage.follow(|sender| async move { drop(sender) }).await;
    assert!(matches!(end, End::Died(EngineError::Broken(_))), "{end:?}");
    assert_eq!(tokens, 1);
    assert_eq!(
        stage.step(18, 4),
        vocab::RESERVED,
        "nothing is recorded after"
    );
}

#[tokio::test]
async fn an_error_of_the_engine_is_passed_on() {
    let stage = Stage::new(9);
    let (end, _, _) = stage
        .follow(|sender| async move {
            sender
                .send(Response::ValidationError("no room".into()))
                .await
                .unwrap();
        })
        .await;
    assert!(
        matches!(&end, End::Refused(EngineError::Broken(why)) if why == "no room"),
        "{end:?}"
    );
}

#[tokio::test]
async fn cancel_does_not_wait_for_the_engine() {
    let stage = Stage::new(9);
    stage.request.cancel.cancel();
    let (end, _, _) = stage
        .follow(|sender| async move {
            std::future::pending::<()>().await;
            drop(sender);
        })
        .await;
    assert!(
        matches!(end, End::Stopped(StopReason::Cancelled)),
        "{end:?}"
    );
    assert_eq!(
        stage.step(17, 3),
        vocab::RESERVED,
        "the engine stops at its next token"
    );
}

#[tokio::test]
async fn scores_that_are_not_numbers_break_the_generation() {
    let stage = Stage::new(9);
    let steer = crate::engine::mistral::steer::Steer(stage.generation.clone());
    let scores = Tensor::from_vec(vec![f32::NAN; 8], 8, &Device::Cpu).unwrap();
    steer.apply(&scores, &[0; 3]).unwrap();
    let (end, _, _) = stage.follow(|sender| async move { drop(sender) }).await;
    assert!(
        matches!(&end, End::Refused(EngineError::Broken(why)) if why.contains("not numbers")),
        "{end:?}"
    );
}

#[test]
fn a_stack_behind_an_error_is_for_nobody() {
    let error = "query must be a cuda tensor\n   0: candle_core::error::Error::bt\n   1: rotary";
    assert_eq!(
        crate::engine::mistral::message_of(&error),
        "query must be a cuda tensor"
    );
    assert_eq!(
        crate::engine::mistral::message_of(&"two\nlines"),
        "two\nlines"
    );
}
