//! A turn held to its grammar, whatever the model would like to say.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use descant::conversation::{Channel, FunctionSpec, MessageEnd, Role, TokenId};
use descant::engine::Sampling;
use descant::engine::guided::Guided;
use descant::engine::sample::Sampler;
use descant::harmony::HarmonyEvent;
use descant::harmony::grammar::{Guide, Offer, PatchTargets, TokenTable};
use descant::harmony::parse::Parser;
use descant::harmony::vocab::{self, Vocabulary};
use descant::patch::{LocateStage, parse, plan};
use descant::workspace::Workspace;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// A table of every byte, some thousand words and the special tokens, and the Harmony id of each.
struct Model {
    vocabulary: Arc<Vocabulary>,
    ids: Vec<TokenId>,
    table: Arc<TokenTable>,
    random: StdRng,
    /// Random numbers that logits are cut from: to draw them all anew would be most of the test's time.
    noise: Vec<f32>,
    /// Where the vocabulary has what ends turns, and how much it is liked.
    liked: Vec<(usize, f32)>,
}

const NOISE: usize = 1 << 16;

impl Model {
    fn new(words: usize, seed: u64) -> Model {
        let folder = tempfile::tempdir().unwrap();
        let vocabulary = Vocabulary::load(folder.path()).unwrap();
        let mut ids: Vec<TokenId> = (0..199_998)
            .filter(|id| vocabulary.token_bytes(*id).unwrap().len() == 1)
            .collect();
        assert_eq!(ids.len(), 256);
        let mut random = StdRng::seed_from_u64(seed);
        ids.extend((0..words).map(|_| random.random_range(0..199_998)));
        let telling = "*** Begin Patch\n*** End Patch\n*** Update File: *** Add File: *** Delete File: *** Move to: @@\n\
                       *** End of File\n{\"path\": \"a.rs\"}commentary analysis final to=functions.apply_patch json\n}\n";
        ids.extend(vocabulary.encode_text(telling));
        ids.extend(199_998..=200_020);
        ids.sort_unstable();
        ids.dedup();
        // Two ids for one text, as the demo's vocabulary has for the newline.
        ids.push(vocabulary.encode_text("\n")[0]);
        let table = TokenTable::new(&vocabulary, ids.iter().copied()).unwrap();
        let noise = (0..NOISE)
            .map(|_| random.random_range(-8.0..8.0f32))
            .collect();
        let liking = |(index, id): (usize, &TokenId)| match *id {
            vocab::END | vocab::RETURN | vocab::CALL => Some((index, 8.0)),
            id => vocab::is_special(id).then_some((index, 4.0)),
        };
        let liked = ids.iter().enumerate().filter_map(liking).collect();
        Model {
            noise,
            liked,
            vocabulary,
            ids,
            table: Arc::new(table),
            random,
        }
    }

    /// Logits that know nothing, with a liking for what ends lines, messages and patches so that turns end too.
    fn logits(&mut self) -> Vec<f32> {
        let start = self.random.random_range(0..NOISE - self.ids.len());
        let mut logits = self.noise[start..start + self.ids.len()].to_vec();
        for (index, liking) in &self.liked {
            logits[*index] += liking;
        }
        logits
    }

    /// One turn, as the engine samples it; `None` if it did not end within `most` tokens.
    fn turn(
        &mut self,
        offer: &Arc<Offer>,
        most: usize,
        logits: impl Fn(&mut Model, &[TokenId]) -> Vec<f32>,
    ) -> Option<Vec<TokenId>> {
        let guide = Guide::new(&self.table, offer).unwrap();
        let mut guided = Guided::new(Some(guide));
        let mut sampler = Sampler::new(Sampling {
            temperature: 1.0,
            seed: self.random.random(),
            ..Sampling::GREEDY
        });
        let mut said = Vec::new();
        for _ in 0..most {
            let scores = logits(self, &said);
            let chosen = guided.choose(&mut sampler, &scores, None).unwrap();
            assert!(guided.is_held(), "after {:?}", self.spelled(&said));
            let token = self.ids[chosen];
            said.push(token);
            if matches!(token, vocab::RETURN | vocab::CALL) {
                return Some(said);
            }
        }
        None
    }

    fn spelled(&self, tokens: &[TokenId]) -> String {
        String::from_utf8_lossy(&self.vocabulary.decode_bytes(tokens)).into_owned()
    }
}

fn function(name: &str, parameters: Option<serde_json::Value>) -> FunctionSpec {
    FunctionSpec {
        name: name.into(),
        description: String::new(),
        parameters,
    }
}

fn functions() -> Vec<FunctionSpec> {
    let read = serde_json::json!({
        "type": "object",
        "properties": {
            "path": { "type": "string" },
            "limit": { "type": "integer", "minimum": 1 },
        },
        "required": ["path"],
        "additionalProperties": false,
    });
    vec![
        function("apply_patch", None),
        function("read_file", Some(read)),
    ]
}

#[derive(Debug)]
struct InMemory(BTreeMap<String, Vec<String>>);

impl PatchTargets for InMemory {
    fn paths(&self) -> Option<Vec<String>> {
        Some(self.0.keys().cloned().collect())
    }

    fn lines(&self, path: &str) -> Option<Vec<String>> {
        self.0.get(path).cloned()
    }
}

/// 1,000 turns, side by side.
#[test]
fn every_finished_turn_parses_without_repair() {
    std::thread::scope(|scope| {
        for seed in [1, 3, 4, 5] {
            scope.spawn(move || finished_turns_parse(250, seed));
        }
    });
}

fn finished_turns_parse(turns: usize, seed: u64) {
    let mut model = Model::new(300, seed);
    let offer = Arc::new(Offer {
        functions: functions(),
        python: true,
        targets: None,
    });
    let (mut finished, mut calls, mut arguments) = (0, 0, 0);
    while finished < turns {
        let Some(tokens) = model.turn(&offer, 250, |model, _| model.logits()) else {
            continue;
        };
        finished += 1;
        let text = model.spelled(&tokens);
        let mut parser = Parser::new(&model.vocabulary);
        let mut events = Vec::new();
        for &token in &tokens {
            parser.push(token, &mut events);
        }
        parser.finish(&mut events);
        let mut last = None;
        for event in events {
            if let HarmonyEvent::MessageDone(message) = event {
                assert!(!message.repaired, "{text:?}");
                assert_ne!(message.end, MessageEnd::Cut, "{text:?}");
                assert_eq!(message.header.role, Role::Assistant, "{text:?}");
                last = Some(message);
            }
        }
        let last = last.unwrap();
        match last.header.recipient.as_deref() {
            None => assert_eq!(last.header.channel, Some(Channel::Final), "{text:?}"),
            Some("python") => calls += 1,
            Some("functions.read_file") => {
                arguments += 1;
                let value: serde_json::Value = serde_json::from_str(&last.text).expect(&text);
                assert!(value["path"].is_string(), "{text:?}");
            }
            Some("functions.apply_patch") => {
                calls += 1;
                parse(&last.text).unwrap_or_else(|error| panic!("{error}: {text:?}"));
            }
            Some(other) => panic!("{other} was not offered: {text:?}"),
        }
    }
    assert!(
        calls > 12 && arguments > 12,
        "{calls} and {arguments} of {finished}"
    );
}

/// Files that are easy to misquote: repeated lines, blank ones, one that is a part of another, none at all.
fn hard_files(random: &mut StdRng) -> BTreeMap<String, Vec<String>> {
    let words = [
        "",
        "}",
        "    }",
        "a",
        "ab",
        "    return x",
        "-",
        "+ y",
        "@@",
        "*** End Patch",
        "\tif x:",
        "é",
    ];
    let mut files = BTreeMap::new();
    for name in [
        "a.rs",
        "a.rs.bak",
        "src/b.py",
        "src/deep/c",
        "empty",
        "z z.txt",
    ] {
        let lines = if name == "empty" {
            0
        } else {
            random.random_range(1..40)
        };
        let kinds = random.random_range(1..=words.len());
        let text = (0..lines).map(|_| words[random.random_range(0..kinds)].to_owned());
        files.insert(name.to_owned(), text.collect());
    }
    files
}

fn write(folder: &Path, files: &BTreeMap<String, Vec<String>>) {
    for (path, lines) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(path, text).unwrap();
    }
}

#[test]
fn every_finished_hunk_is_found_exactly() {
    let mut model = Model::new(100, 2);
    let call = model
        .vocabulary
        .encode_text("commentary to=functions.apply_patch");
    let mut opening = vec![vocab::CHANNEL];
    opening.extend(call);
    opening.push(vocab::MESSAGE);
    let newline = model.vocabulary.encode_text("\n")[0];
    let places = |wanted: TokenId| {
        let ids = model.ids.iter().enumerate();
        ids.filter(move |(_, id)| **id == wanted)
            .map(|(place, _)| place)
    };
    let opening: Vec<usize> = opening
        .into_iter()
        .flat_map(|id| places(id).next())
        .collect();
    let newlines: Vec<usize> = places(newline).collect();
    let (mut hunks, mut updates) = (0, 0);
    while hunks < 1_000 {
        let files = hard_files(&mut model.random);
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &files);
        let offer = Arc::new(Offer {
            functions: functions(),
            python: false,
            targets: Some(Arc::new(InMemory(files.clone()))),
        });
        let (opening, newlines) = (opening.clone(), newlines.clone());
        let Some(tokens) = model.turn(&offer, 400, move |model, said| {
            let mut logits = model.logits();
            // It wants to call apply_patch, whose grammar this is about, and ends lines now and then.
            if let Some(wanted) = opening.get(said.len()) {
                logits[*wanted] += 100.0;
            } else if said.len() % 5 == 0 {
                for place in &newlines {
                    logits[*place] += 20.0;
                }
            }
            logits
        }) else {
            continue;
        };
        let text = model.spelled(&tokens);
        let patch = text
            .split_once("<|message|>")
            .and_then(|(_, patch)| patch.strip_suffix("<|call|>"))
            .unwrap();
        let workspace = Workspace::open(folder.path()).unwrap();
        let parsed = parse(patch).unwrap_or_else(|error| panic!("{error}\n{patch}"));
        match plan(&workspace, &parsed) {
            Ok(plan) => {
                for file in &plan.files {
                    assert_eq!(file.stage, LocateStage::Exact, "{patch}\n{files:?}");
                    updates += usize::from(file.pre.is_some() && file.post.is_some());
                }
                hunks += plan.hunks().count();
            }
            Err(error) => panic!("{error}\n{patch}\n{files:?}"),
        }
    }
    assert!(updates > 200, "{updates} updates among {hunks} hunks");
}
