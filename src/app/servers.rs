//! Model servers as they are configured: their profiles with their keys, and what they have.

use super::Setup;
use crate::agent::{Check, ModelChoice};
use crate::config::{Config, ProtocolSetting, ServerSettings};
use crate::engine::EngineError;
use crate::engine::server::address::Address;
use crate::engine::server::profile::{
    ApiKey, KEY_VARIABLE, Profile, Protocol, Servers, Target, Timeouts,
};
use crate::engine::server::{connect, list};
use crate::harmony::vocab::Vocabulary;
use std::time::Duration;

/// How long a list of models is worth waiting for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The servers of the configuration, with the keys that the environment holds for them.
pub(super) fn known(
    config: &Config,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Servers, String> {
    let key = |name: &str| variable(name).as_deref().and_then(ApiKey::new);
    let mut servers = Servers {
        other_key: key(KEY_VARIABLE),
        offline: config.offline,
        ..Servers::default()
    };
    for (name, settings) in &config.servers {
        let profile = profile(settings, key)
            .map_err(|reason| format!("servers.{name}.url {reason}: {}", settings.url))?;
        servers.named.insert(name.clone(), profile);
    }
    Ok(servers)
}

fn profile(
    settings: &ServerSettings,
    key: impl Fn(&str) -> Option<ApiKey>,
) -> Result<Profile, String> {
    let variable = settings.api_key_env.as_deref().unwrap_or(KEY_VARIABLE);
    Ok(Profile {
        address: Address::parse(&settings.url)?,
        model: settings.model.clone(),
        key: key(variable),
        key_variable: variable.to_owned(),
        protocol: match settings.protocol {
            ProtocolSetting::Auto => None,
            ProtocolSetting::Completion => Some(Protocol::Completion),
            ProtocolSetting::Completions => Some(Protocol::Completions),
            ProtocolSetting::Responses => Some(Protocol::Responses),
            ProtocolSetting::Chat => Some(Protocol::Chat),
        },
        context: settings.context,
        timeouts: Timeouts {
            connect: Duration::from_secs(settings.connect_s),
            first_token: Duration::from_secs(settings.first_token_s),
            idle: Duration::from_secs(settings.idle_s),
        },
        retries: settings.retries,
    })
}

/// The server that is used, if one is.
fn chosen(config: &Config) -> Option<&str> {
    let server = config.server.as_deref()?.trim();
    (!matches!(server, "" | "none")).then_some(server)
}

/// `MODEL@SERVER`, where a server is configured. What was asked for now wins over the profile's model, and that over
/// the configuration's, which may be meant for a model in process.
pub(super) fn model(setup: &Setup) -> Option<String> {
    let config = &setup.config;
    let server = chosen(config)?;
    let named = config.model.as_str();
    let profile = setup.places.servers.named.get(server);
    let own = profile.is_some_and(|profile| profile.model.is_some());
    Some(match named {
        named if setup.model_asked && named.contains('@') => return None,
        "auto" => format!("@{server}"),
        _ if own && !setup.model_asked => format!("@{server}"),
        named => format!("{named}@{server}"),
    })
}

/// What every known server has, or why that is not known.
pub(super) async fn models(setup: &Setup) -> Vec<(String, Result<Vec<ModelChoice>, EngineError>)> {
    let servers = &setup.places.servers;
    let mut names: Vec<&str> = servers.named.keys().map(String::as_str).collect();
    names.extend(chosen(&setup.config).filter(|server| !servers.named.contains_key(*server)));
    let asked = names.into_iter().map(|name| async move {
        let found = match servers.find(name) {
            Ok(target) => at(&target).await,
            Err(error) => Err(error),
        };
        (name.to_owned(), found)
    });
    futures_util::future::join_all(asked).await
}

async fn at(target: &Target) -> Result<Vec<ModelChoice>, EngineError> {
    let ids = list(target, PATIENCE).await?;
    let place = target.profile.address.base().to_owned();
    Ok(ids
        .into_iter()
        .map(|id| ModelChoice {
            name: format!("{id}@{}", target.server),
            place: place.clone(),
        })
        .collect())
}

/// The checkup's line on a server: whether it is there, and how it is spoken to.
pub(super) async fn check(setup: &Setup, target: Target) -> Check {
    let data = setup.paths.data.clone();
    let vocabulary = tokio::task::spawn_blocking(move || Vocabulary::load(&data)).await;
    let vocabulary = match vocabulary {
        Ok(Ok(vocabulary)) => vocabulary,
        Ok(Err(error)) => return bad(&error.to_string()),
        Err(error) => return bad(&error.to_string()),
    };
    let plain = target.profile.address.is_plain() && target.profile.key.is_some();
    let quick = Target {
        profile: Profile {
            retries: 0,
            ..target.profile.clone()
        },
        ..target
    };
    match connect(quick, vocabulary, |_| {}).await {
        Ok(engine) => {
            let info = crate::engine::Engine::info(&engine);
            let protocol = info.protocol.map_or("", Protocol::path);
            let how = info.protocol.map_or("", Protocol::short);
            Check {
                name: "server",
                ok: true,
                detail: format!(
                    "{}: {how} ({protocol}), {} tokens of context",
                    info.name, info.context_length
                ),
                hint: plain.then(|| {
                    "its key travels unencrypted: use https:// where others share the network"
                        .to_owned()
                }),
            }
        }
        Err(error) => bad(&error.to_string()),
    }
}

fn bad(text: &str) -> Check {
    let (detail, hint) = text.split_once('\n').unwrap_or((text, ""));
    Check {
        name: "server",
        ok: false,
        detail: detail.to_owned(),
        hint: Some(hint.trim().to_owned()).filter(|hint| !hint.is_empty()),
    }
}
