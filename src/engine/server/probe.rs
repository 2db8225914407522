//! What a server speaks, and which model it has: asked once, when it is connected to.
//!
//! In order: token ids, where its vocabulary is GPT-OSS's (or the built-in demo model's) to the id; the Responses API;
//! chat completions. Nothing is generated but, at vLLM, one token, which shows how it tells ids.

use super::completions::{Form, ask_for_ids, told};
use super::fault::Fault;
use super::http::Http;
use super::profile::{Protocol, Target};
use crate::conversation::TokenId;
use crate::engine::EngineError;
use crate::engine::codec::Codec;
use crate::engine::demo;
use crate::engine::reduced::ReducedVocabulary;
use crate::harmony::vocab::{CALL, CHANNEL, CONSTRAIN, END, MESSAGE, RETURN, START, Vocabulary};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// For a question that needs no model.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Where a server says nothing of its context.
const CONTEXT: usize = 32_768;

/// How ids or messages go to and fro.
#[derive(Debug)]
pub(super) enum Way {
    Completion(Arc<Codec>),
    Completions(Arc<Codec>, Form),
    Responses,
    Chat,
}

impl Way {
    pub(super) fn protocol(&self) -> Protocol {
        match self {
            Way::Completion(_) => Protocol::Completion,
            Way::Completions(..) => Protocol::Completions,
            Way::Responses => Protocol::Responses,
            Way::Chat => Protocol::Chat,
        }
    }

    /// The ids' translation, where ids go to and fro.
    pub(super) fn codec(&self) -> Option<&Arc<Codec>> {
        match self {
            Way::Completion(codec) | Way::Completions(codec, _) => Some(codec),
            Way::Responses | Way::Chat => None,
        }
    }
}

/// A model of a server's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) id: String,
    /// Other names that it answers to.
    aliases: Vec<String>,
    context: Option<usize>,
}

impl Listed {
    fn is(&self, name: &str) -> bool {
        self.id == name || self.aliases.iter().any(|alias| alias == name)
    }
}

/// The server's models.
pub(super) async fn models(http: &Http, patience: Duration) -> Result<Vec<Listed>, Fault> {
    let answer = http.get("/v1/models", patience).await?;
    if !answer.is_success() {
        return Err(answer.fault());
    }
    let Some(data) = answer.json.get("data").and_then(Value::as_array) else {
        return Err(Fault::Unreadable(
            "its /v1/models is no list of models".to_owned(),
        ));
    };
    Ok(data.iter().filter_map(listed).collect())
}

fn listed(model: &Value) -> Option<Listed> {
    let size = |value: Option<&Value>| usize::try_from(value?.as_u64()?).ok();
    let meta = model.get("meta");
    let aliases = model.get("aliases").and_then(Value::as_array);
    Some(Listed {
        id: model.get("id")?.as_str()?.to_owned(),
        aliases: aliases
            .into_iter()
            .flatten()
            .filter_map(|alias| Some(alias.as_str()?.to_owned()))
            .collect(),
        // vLLM and SGLang; llama.cpp; others.
        context: size(model.get("max_model_len"))
            .or_else(|| size(meta.and_then(|meta| meta.get("n_ctx"))))
            .or_else(|| size(model.get("context_length")))
            .or_else(|| size(meta.and_then(|meta| meta.get("n_ctx_train")))),
    })
}

/// The model that is meant: the one named, or the only one, or the only GPT-OSS.
pub(super) fn choose(target: &Target, models: &[Listed]) -> Result<Listed, EngineError> {
    let names = || {
        let names: Vec<&str> = models
            .iter()
            .map(|model| model.id.as_str())
            .take(20)
            .collect();
        let more = models.len().saturating_sub(names.len());
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        format!("{}{more}", names.join(", "))
    };
    let refuse = |what: String, hint: String| refused(target, what, hint);
    if let Some(name) = &target.model {
        if let Some(found) = models.iter().find(|model| model.is(name)) {
            return Ok(found.clone());
        }
        return Err(if models.is_empty() {
            refuse(
                format!("it has no model {name}, nor any other"),
                "load a model there first".to_owned(),
            )
        } else {
            refuse(
                format!("it has no model {name}"),
                format!("there are: {}; name one with -m", names()),
            )
        });
    }
    let gpt_oss: Vec<&Listed> = models
        .iter()
        .filter(|model| model.id.to_lowercase().contains("gpt-oss"))
        .collect();
    match (models, gpt_oss.as_slice()) {
        ([only], _) => Ok(only.clone()),
        ([], _) => Err(refuse(
            "it has no model".to_owned(),
            "load a model there first".to_owned(),
        )),
        (_, [only]) => Ok((*only).clone()),
        _ => Err(refuse(
            "it has several models".to_owned(),
            format!("name one with -m: {}", names()),
        )),
    }
}

fn refused(target: &Target, what: String, hint: String) -> EngineError {
    EngineError::Server {
        url: target.profile.address.base().to_owned(),
        what,
        hint,
        unavailable: true,
    }
}

/// How the server is asked from now on, and how many tokens it holds.
pub(super) async fn way(
    http: &Http,
    target: &Target,
    model: &Listed,
    vocabulary: &Arc<Vocabulary>,
) -> Result<(Way, usize), EngineError> {
    let fault = |fault: Fault| fault.error(target, 1);
    let wanted = target.profile.protocol;
    let mut context = model.context;
    let raw = matches!(
        wanted,
        None | Some(Protocol::Completion | Protocol::Completions)
    );
    if raw {
        let found = raw_way(http, target, model, vocabulary)
            .await
            .map_err(fault)?;
        let allowed = |way: &Way| wanted.is_none_or(|wanted| wanted == way.protocol());
        match found {
            Some((way, held)) if allowed(&way) => {
                context = held.or(context);
                let context = context.unwrap_or(CONTEXT);
                return Ok((
                    way,
                    target
                        .profile
                        .context
                        .map_or(context, |own| own.min(context)),
                ));
            }
            Some(_) | None if wanted.is_none() => {}
            Some(_) | None => {
                return Err(refused(
                    target,
                    format!(
                        "{} does not take and tell the token ids of GPT-OSS there",
                        model.id
                    ),
                    "leave protocol out of its profile, and the best that works is used".to_owned(),
                ));
            }
        }
    }
    let way = if wanted == Some(Protocol::Responses)
        || wanted != Some(Protocol::Chat)
            && has(http, Protocol::Responses, &model.id)
                .await
                .map_err(fault)?
    {
        Way::Responses
    } else if wanted == Some(Protocol::Chat)
        || has(http, Protocol::Chat, &model.id).await.map_err(fault)?
    {
        Way::Chat
    } else {
        return Err(refused(
            target,
            "it speaks none of /completion and /v1/completions with token ids, /v1/responses and \
             /v1/chat/completions"
                .to_owned(),
            "check that the address is a model server's; it may need a path before /v1".to_owned(),
        ));
    };
    let held = match context {
        Some(context) => Some(context),
        None => held_elsewhere(http, target, &model.id).await,
    };
    Ok((way, target.profile.context.or(held).unwrap_or(CONTEXT)))
}

/// Whether it has an endpoint: what is missing in the request is found fault with, or nothing is there.
async fn has(http: &Http, protocol: Protocol, model: &str) -> Result<bool, Fault> {
    let answer = http
        .post(protocol.path(), &json!({"model": model}), PATIENCE)
        .await?;
    match answer.status {
        404 | 405 | 501 => Ok(false),
        401 | 403 => Err(answer.fault()),
        _ => Ok(true),
    }
}

/// Token ids, and the context that the server says with them; `None` where it takes none or they mean other things.
async fn raw_way(
    http: &Http,
    target: &Target,
    model: &Listed,
    vocabulary: &Arc<Vocabulary>,
) -> Result<Option<(Way, Option<usize>)>, Fault> {
    // llama.cpp reads one half of it, vLLM the other.
    let question = json!({
        "content": SAMPLE, "add_special": false, "parse_special": true,
        "model": model.id, "prompt": SAMPLE, "add_special_tokens": false,
    });
    let answer = http.post("/tokenize", &question, PATIENCE).await?;
    if matches!(answer.status, 401 | 403) {
        return Err(answer.fault());
    }
    let Some(ids) = super::adapter::ids(answer.json.get("tokens")).filter(|_| answer.is_success())
    else {
        return Ok(None);
    };
    let Some(codec) = codec(&ids, vocabulary) else {
        tracing::info!(model = model.id, "its vocabulary is another than GPT-OSS's");
        return Ok(None);
    };
    let codec = Arc::new(codec);
    let length = super::adapter::count(answer.json.get("max_model_len"));
    if length.is_none() {
        let props = http.get("/props", PATIENCE).await?;
        let context = props.json.pointer("/default_generation_settings/n_ctx");
        return Ok(props
            .is_success()
            .then(|| (Way::Completion(codec), super::adapter::count(context))));
    }
    for form in [Form::TokenIds, Form::Logprobs] {
        let mut question = json!({
            "model": model.id, "prompt": ids.get(..1), "max_tokens": 1, "temperature": 0,
            "add_special_tokens": false,
        });
        ask_for_ids(&mut question, form);
        let answer = http
            .post(
                Protocol::Completions.path(),
                &question,
                target.profile.timeouts.first_token,
            )
            .await?;
        let choice = answer.json.pointer("/choices/0");
        if answer.is_success() && choice.and_then(told).is_some_and(|ids| ids.len() == 1) {
            return Ok(Some((Way::Completions(codec, form), length)));
        }
    }
    Ok(None)
}

/// Every special token, and a letter between them.
const SAMPLE: &str = "<|start|>a<|channel|>b<|constrain|>c<|message|>d<|end|>e<|call|>f<|return|>";

/// The codec under which [`SAMPLE`] has these ids.
fn codec(ids: &[u32], vocabulary: &Arc<Vocabulary>) -> Option<Codec> {
    let letters = ["a", "b", "c", "d", "e", "f"];
    let specials = [START, CHANNEL, CONSTRAIN, MESSAGE, END, CALL, RETURN];
    let mut sample: Vec<TokenId> = Vec::new();
    for (at, special) in specials.into_iter().enumerate() {
        sample.push(special);
        if let Some(letter) = letters.get(at) {
            sample.extend(vocabulary.encode_text(letter));
        }
    }
    if sample == ids {
        return Some(Codec::Harmony);
    }
    let reduced = ReducedVocabulary::parse(demo::vocabulary()).ok()?;
    (reduced.encode_prompt(&sample, vocabulary) == ids).then(|| Codec::Reduced(Box::new(reduced)))
}

/// The context where the list of models does not say it: Ollama's and LM Studio's own words.
async fn held_elsewhere(http: &Http, target: &Target, model: &str) -> Option<usize> {
    let named = |list: &Value, key: &str, of: &str| {
        let found = list
            .as_array()?
            .iter()
            .find(|entry| entry.get(key).and_then(Value::as_str) == Some(model))?;
        super::adapter::count(found.get(of))
    };
    let studio = http.get("/api/v0/models", PATIENCE).await.ok()?;
    if let Some(data) = studio.json.get("data") {
        return named(data, "id", "loaded_context_length")
            .or_else(|| named(data, "id", "max_context_length"));
    }
    let version = http.get("/api/version", PATIENCE).await.ok()?;
    version.json.get("version")?;
    // Ollama holds what it was loaded with, often less than the model can; without a prompt this loads it.
    let load = json!({"model": model, "stream": false});
    http.post("/api/generate", &load, target.profile.timeouts.first_token)
        .await
        .ok()?;
    let running = http.get("/api/ps", PATIENCE).await.ok()?;
    named(running.json.get("models")?, "model", "context_length")
        .or_else(|| named(running.json.get("models")?, "name", "context_length"))
}
