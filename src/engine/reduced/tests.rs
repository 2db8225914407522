use super::*;
use proptest::prelude::*;
use std::sync::LazyLock;

static VOCABULARY: LazyLock<std::sync::Arc<Vocabulary>> =
    LazyLock::new(|| Vocabulary::load(std::path::Path::new("/nonexistent")).unwrap());
static DEMO: LazyLock<ReducedVocabulary> = LazyLock::new(|| {
    ReducedVocabulary::parse(include_bytes!("../../../demo/model/vocab.json")).unwrap()
});

fn encode(text: &str) -> Vec<u32> {
    let mut ids = Vec::new();
    DEMO.encode_bytes(text.as_bytes(), &mut ids);
    ids
}

fn bytes_of(ids: &[u32]) -> Vec<u8> {
    let harmony: Vec<TokenId> = ids.iter().map(|id| DEMO.to_harmony(*id).unwrap()).collect();
    VOCABULARY.decode_bytes(&harmony)
}

/// What the training script wrote down for its own encoder.
#[test]
fn encodes_as_the_training_script_does() {
    #[derive(Deserialize)]
    struct Golden {
        text: String,
        ids: Vec<u32>,
    }
    let golden: Vec<Golden> =
        serde_json::from_slice(include_bytes!("../../../demo/model/golden.json")).unwrap();
    assert!(golden.len() >= 40, "only {} golden texts", golden.len());
    for Golden { text, ids } in golden {
        assert_eq!(encode(&text), ids, "{text:?}");
    }
}

#[test]
fn every_token_means_the_same_bytes_in_both_vocabularies() {
    let file: VocabularyFile =
        serde_json::from_slice(include_bytes!("../../../demo/model/vocab.json")).unwrap();
    for (name, id) in file.specials.iter().zip(&file.o200k_ids) {
        assert_eq!(VOCABULARY.token_bytes(*id), Some(name.as_bytes()), "{id}");
    }
    for (hex, id) in file
        .tokens_hex
        .iter()
        .zip(&file.o200k_ids[file.specials.len()..])
    {
        assert_eq!(
            VOCABULARY.token_bytes(*id),
            Some(&hex::decode(hex).unwrap()[..]),
            "{id}"
        );
    }
}

#[test]
fn a_prompt_keeps_its_special_tokens_and_drops_unknown_ones() {
    let mut prompt = vec![vocab::START];
    prompt.extend(VOCABULARY.encode_text("user"));
    prompt.push(vocab::MESSAGE);
    prompt.extend(VOCABULARY.encode_text("hi <|end|>"));
    prompt.extend([vocab::END, 200_013, vocab::START]);
    let ids = DEMO.encode_prompt(&prompt, &VOCABULARY);
    let back: Vec<TokenId> = ids.iter().map(|id| DEMO.to_harmony(*id).unwrap()).collect();
    assert_eq!(back.iter().filter(|id| vocab::is_special(**id)).count(), 4);
    assert_eq!(
        VOCABULARY.decode_bytes(&back),
        b"<|start|>user<|message|>hi <|end|><|end|><|start|>"
    );
}

#[test]
fn newlines_say_how_many_stand_before_them_in_their_message() {
    let newlines = |text: &str| -> Vec<u32> {
        let is_newline = |id: &u32| bytes_of(&[*id]) == b"\n";
        encode(text).into_iter().filter(is_newline).collect()
    };
    let three = newlines("a\nb\n\n");
    assert_eq!(three.len(), 3);
    assert!(three[0] != three[1] && three[1] != three[2] && three[0] != three[2]);
    assert_eq!(newlines("\r\n = \t\n"), three[..2]);
    let many = newlines(&"\n".repeat(100));
    assert_eq!(many[..3], three);
    assert_eq!(many[..52], many[48..], "they come round again");

    let mut prompt = VOCABULARY.encode_text("x\n");
    prompt.push(vocab::MESSAGE);
    prompt.extend(VOCABULARY.encode_text("y\n"));
    let ids = DEMO.encode_prompt(&prompt, &VOCABULARY);
    assert_eq!(ids[1], ids[ids.len() - 1], "each message counts its own");
}

#[test]
fn digits_go_by_threes_and_runs_of_one_byte_by_the_longest_token() {
    let pieces = |text: &str| -> Vec<String> {
        let piece = |id: &u32| String::from_utf8(bytes_of(&[*id])).unwrap();
        encode(text).iter().map(piece).collect()
    };
    assert_eq!(pieces("12345678"), ["123", "456", "78"]);
    assert_eq!(pieces("x1y"), ["x", "1", "y"]);
    assert_eq!(
        pieces(&"=".repeat(70)),
        ["=".repeat(32), "=".repeat(32), "=".repeat(6)]
    );
    assert_eq!(pieces("---+"), ["-", "-", "-", "+"]);
    assert_eq!(pieces("``\\\\"), ["`", "`", "\\", "\\"]);
}

#[test]
fn the_sacrifice_is_no_other_token() {
    assert_eq!(DEMO.to_harmony(DEMO.sacrifice()), Some(vocab::RESERVED));
    assert_eq!(DEMO.to_harmony(u32::try_from(DEMO.len()).unwrap()), None);
}

#[test]
fn a_long_run_of_letters_is_encoded() {
    // In quadratic time this would not end.
    let ids = encode(&"abcdefghijklmnopqrstuvwxyz".repeat(20_000));
    assert_eq!(bytes_of(&ids).len(), 520_000);
}

#[test]
fn damaged_vocabularies_are_told_apart() {
    let parse = |json: serde_json::Value| ReducedVocabulary::parse(json.to_string().as_bytes());
    let hex: Vec<String> = (0..=255u8).map(|b| format!("{b:02x}")).collect();
    let ids: Vec<u32> = std::iter::once(200_000).chain(0..256).collect();
    let whole = serde_json::json!({"specials": ["s"], "o200k_ids": ids, "tokens_hex": hex});
    assert!(parse(whole.clone()).is_ok());
    let with = |key: &str, value: serde_json::Value| {
        let mut changed = whole.clone();
        changed[key] = value;
        parse(changed)
    };
    assert!(matches!(
        with("specials", serde_json::json!([])),
        Err(ReducedError::Count { .. })
    ));
    let twice: Vec<u32> = std::iter::once(200_000)
        .chain([5, 5])
        .chain(2..256)
        .collect();
    assert!(matches!(
        with("o200k_ids", serde_json::json!(twice)),
        Err(ReducedError::Twice(5))
    ));
    let other: Vec<u32> = std::iter::once(200_001).chain(0..256).collect();
    assert!(matches!(
        with("o200k_ids", serde_json::json!(other)),
        Err(ReducedError::NoSpecial(_))
    ));
    let mut bad = hex.clone();
    bad[7] = "zz".into();
    assert!(matches!(
        with("tokens_hex", serde_json::json!(bad)),
        Err(ReducedError::Hex { index: 7, .. })
    ));
    let mut lost = hex;
    lost[9] = "0000".into();
    assert!(matches!(
        with("tokens_hex", serde_json::json!(lost)),
        Err(ReducedError::NoByte(9))
    ));
    assert!(matches!(
        ReducedVocabulary::parse(b"{}"),
        Err(ReducedError::Syntax(_))
    ));
}

/// Byte pair encoding as it is defined, square in the run.
fn slow_bpe(run: &[u8]) -> Vec<Vec<u8>> {
    let mut parts: Vec<Vec<u8>> = run.iter().map(|b| vec![*b]).collect();
    loop {
        let best = (1..parts.len())
            .filter_map(|i| {
                let joined = [&parts[i - 1][..], &parts[i][..]].concat();
                DEMO.letters.get(&joined).map(|(rank, _)| (*rank, i))
            })
            .min();
        let Some((_, i)) = best else { return parts };
        let right = parts.remove(i);
        parts[i - 1].extend(right);
    }
}

proptest! {
    #[test]
    fn any_text_comes_back(text in any::<Vec<u8>>()) {
        let mut ids = Vec::new();
        DEMO.encode_bytes(&text, &mut ids);
        prop_assert_eq!(bytes_of(&ids), text);
    }

    #[test]
    fn the_heap_merges_as_the_definition_does(run in "[a-eA-C]{1,40}|[a-z]{1,40}|(in|er|tion|self|def){1,12}") {
        let want: Vec<Vec<u8>> = slow_bpe(run.as_bytes());
        let got: Vec<Vec<u8>> = encode(&run).iter().map(|id| bytes_of(&[*id])).collect();
        prop_assert_eq!(got, want);
    }
}
