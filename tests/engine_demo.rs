//! The built-in checkpoint in the two forms it takes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "engine_checkpoint/random.rs"]
mod random;
#[path = "engine_checkpoint/setup.rs"]
mod setup;

use descant::engine::{Engine, LoadOptions, demo, load_mistral};
use descant::harmony::vocab::{self, Vocabulary};
use setup::{all, finished, request};

/// A build with CUDA runs it with idle heads on the CPU: it must say what it says elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn idle_heads_change_no_word() {
    let home = tempfile::tempdir().unwrap();
    let vocabulary = Vocabulary::load(home.path()).unwrap();
    let own = demo::ensure(home.path()).unwrap();
    let wide = demo::ensure_with_idle_heads(home.path()).unwrap();
    let mut said = Vec::new();
    for folder in [&own, &wide] {
        let options = LoadOptions {
            model: folder.display().to_string(),
            context_length: Some(2048),
            force_cpu: true,
            ..setup::options(home.path())
        };
        let engine = load_mistral(options, vocabulary.clone()).await.unwrap();
        let mut answers = Vec::new();
        for text in [
            "Show notes.txt.",
            "In src/a.py, change `    return a` to `    return a + b`.",
            "What is 12 * 7?",
            "Who are you?",
        ] {
            let mut prompt = vec![vocab::START];
            prompt.extend(vocabulary.encode_text("user"));
            prompt.push(vocab::MESSAGE);
            prompt.extend(vocabulary.encode_text(text));
            prompt.extend([vocab::END, vocab::START]);
            prompt.extend(vocabulary.encode_text("assistant"));
            let (tokens, _, _) = finished(&all(engine.generate(request(prompt, 120))).await);
            let text = vocabulary.decode_bytes(&tokens);
            answers.push(String::from_utf8(text).unwrap());
        }
        said.push(answers);
    }
    assert_eq!(said[0], said[1]);
    assert!(said[0][0].contains("I will show notes.txt."), "{said:?}");
}
