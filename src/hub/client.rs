//! HTTP to the hub: one request at a time, redirects followed by hand, answers told apart by what can be done about them.
//!
//! Redirects are ours because the token is: it goes to the endpoint's own origin and nowhere else, least of all to the
//! CDN that a file is redirected to. Proxies are reqwest's: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`.

use super::{HubError, HubSettings, RepoRef, Token};
use reqwest::header::{
    ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RANGE, RETRY_AFTER,
};
use reqwest::{Response, StatusCode, Url};
use std::ops::Range;
use std::time::Duration;

/// Redirects of one request; the hub needs one or two.
const HOPS: usize = 10;
/// The longest answer of the hub's API that is read.
const ANSWER_LIMIT: usize = 16 << 20;

/// How long to wait for what, and how often to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Tries in a row that bring nothing, before it is given up.
    pub tries: u32,
    /// The first wait between two; each is twice the one before.
    pub base: Duration,
    pub most: Duration,
    /// Nothing comes for so long: the connection is given up.
    pub stall: Duration,
    /// The longest wait that a server may ask for.
    pub asked: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            tries: 8,
            base: Duration::from_millis(500),
            most: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            asked: Duration::from_secs(600),
        }
    }
}

impl Patience {
    /// The wait before try number `failed` + 1.
    pub(super) fn wait(&self, failed: u32) -> Duration {
        let doubled = self
            .base
            .saturating_mul(1 << failed.saturating_sub(1).min(16));
        // Not all connections at the same moment.
        doubled
            .min(self.most)
            .mul_f64(rand::random_range(0.75..1.25))
    }
}

/// What came of a try.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server asks for a wait.
    Wait(Duration),
    /// Another try may do.
    Again(String),
    /// A redirect's target that holds no longer: ask the hub for another.
    Stale(u16),
    Final(HubError),
}

#[derive(Debug)]
pub struct Hub {
    http: reqwest::Client,
    endpoint: Url,
    token: Option<Token>,
    pub(super) patience: Patience,
}

impl Hub {
    /// # Errors
    /// An endpoint that is no address, and a machine without certificates.
    pub fn new(settings: &HubSettings, patience: Patience) -> Result<Hub, HubError> {
        let wrong = |why: String| HubError::Endpoint(why);
        let text = settings.endpoint.trim().trim_end_matches('/');
        let endpoint = Url::parse(text).map_err(|e| wrong(format!("{text}: {e}")))?;
        if !["http", "https"].contains(&endpoint.scheme()) || endpoint.host_str().is_none() {
            return Err(wrong(format!("{text} is neither http nor https")));
        }
        let http = reqwest::Client::builder()
            .user_agent(concat!("descant/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            // Ranges beside each other are worth it on connections of their own.
            .http1_only()
            .connect_timeout(patience.stall.min(Duration::from_secs(20)))
            .read_timeout(patience.stall)
            .build()
            .map_err(|e| HubError::Unreachable {
                host: endpoint.host_str().unwrap_or_default().to_owned(),
                reason: format!("{} (is the package ca-certificates installed?)", reason(&e)),
            })?;
        Ok(Hub {
            http,
            endpoint,
            token: settings.token.clone(),
            patience,
        })
    }

    pub(super) fn host(&self) -> String {
        host(&self.endpoint)
    }

    /// An address below the endpoint; `parts` are escaped one by one.
    pub(super) fn url(&self, parts: &[&str]) -> Url {
        let mut url = self.endpoint.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty();
            for part in parts {
                path.push(part);
            }
        }
        url
    }

    /// Where the file is, or is redirected from. A revision is one part, whatever it contains.
    pub(super) fn file_url(&self, repo: &RepoRef, commit: &str, file: &str) -> Url {
        let (org, name) = repo.id().split_once('/').unwrap_or((repo.id(), ""));
        self.url(&[org, name, "resolve", commit, file])
    }

    pub(super) fn page(&self, repo: &RepoRef) -> String {
        let (org, name) = repo.id().split_once('/').unwrap_or((repo.id(), ""));
        self.url(&[org, name]).to_string()
    }

    /// An answer of the API, tried as often as patience has it; `next` of its `Link` where there is one.
    pub(super) async fn api(
        &self,
        repo: &RepoRef,
        url: Url,
    ) -> Result<(Vec<u8>, Option<Url>), HubError> {
        let mut failed = 0;
        loop {
            let fault = match self.api_once(repo, url.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            failed += 1;
            let wait = self.after(fault, failed)?;
            tokio::time::sleep(wait).await;
        }
    }

    /// How long to wait before the next try, if there is to be one.
    pub(super) fn after(&self, fault: Fault, failed: u32) -> Result<Duration, HubError> {
        match fault {
            Fault::Final(error) => Err(error),
            Fault::Wait(wait) if wait > self.patience.asked => Err(HubError::Busy {
                host: self.host(),
                wait,
            }),
            Fault::Wait(wait) if failed < self.patience.tries => Ok(wait.max(self.patience.base)),
            Fault::Wait(wait) => Err(HubError::Busy {
                host: self.host(),
                wait,
            }),
            Fault::Again(_) | Fault::Stale(_) if failed < self.patience.tries => {
                Ok(self.patience.wait(failed))
            }
            Fault::Again(reason) => Err(HubError::Unreachable {
                host: self.host(),
                reason,
            }),
            Fault::Stale(status) => Err(HubError::Unreachable {
                host: self.host(),
                reason: format!("what it redirects to answers {status}"),
            }),
        }
    }

    async fn api_once(&self, repo: &RepoRef, url: Url) -> Result<(Vec<u8>, Option<Url>), Fault> {
        let what = url.path().to_owned();
        let mut response = self.get(repo, url.clone(), None).await?;
        let next = next_page(response.headers(), &url);
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|e| Fault::Again(reason(&e)))?
        {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_LIMIT {
                return Err(Fault::Final(HubError::Answer {
                    host: self.host(),
                    what,
                    reason: "it does not end".to_owned(),
                }));
            }
        }
        Ok((body, next))
    }

    /// A successful answer; [`Response::url`] says where it came from in the end.
    pub(super) async fn get(
        &self,
        repo: &RepoRef,
        url: Url,
        range: Option<Range<u64>>,
    ) -> Result<Response, Fault> {
        let mut url = url;
        for _ in 0..HOPS {
            let ours = url.origin() == self.endpoint.origin();
            let mut request = self
                .http
                .get(url.clone())
                .header(ACCEPT_ENCODING, "identity");
            if let Some(range) = &range {
                request = request.header(RANGE, format!("bytes={}-{}", range.start, range.end - 1));
            }
            if ours && let Some(token) = &self.token {
                let mut value = HeaderValue::try_from(format!("Bearer {}", token.reveal()))
                    .map_err(|_unusable| Fault::Again("the token is not usable".to_owned()))?;
                value.set_sensitive(true);
                request = request.header(AUTHORIZATION, value);
            }
            let response = request.send().await.map_err(|e| Fault::Again(reason(&e)))?;
            let status = response.status();
            if status.is_success() {
                return Ok(response);
            }
            if !status.is_redirection() {
                return Err(self.fault(repo, status, response.headers(), &url, ours));
            }
            let to = response
                .headers()
                .get(LOCATION)
                .and_then(|to| to.to_str().ok())
                .and_then(|to| url.join(to).ok())
                .filter(|to| ["http", "https"].contains(&to.scheme()));
            let Some(to) = to else {
                return Err(Fault::Again(format!("{} redirects to nowhere", host(&url))));
            };
            if url.scheme() == "https" && to.scheme() == "http" {
                return Err(Fault::Final(HubError::Unreachable {
                    host: host(&url),
                    reason: "it redirects from https to http, which is not followed".to_owned(),
                }));
            }
            url = to;
        }
        Err(Fault::Again(format!(
            "{} redirects without end",
            self.host()
        )))
    }

    fn fault(
        &self,
        repo: &RepoRef,
        status: StatusCode,
        headers: &HeaderMap,
        url: &Url,
        ours: bool,
    ) -> Fault {
        let with_token = self.token.is_some();
        match status {
            StatusCode::TOO_MANY_REQUESTS => {
                Fault::Wait(retry_after(headers).unwrap_or(self.patience.base))
            }
            StatusCode::SERVICE_UNAVAILABLE => match retry_after(headers) {
                Some(wait) => Fault::Wait(wait),
                None => Fault::Again(format!("{} answers {status}", host(url))),
            },
            StatusCode::REQUEST_TIMEOUT => Fault::Again(format!("{} answers {status}", host(url))),
            _ if status.is_server_error() => {
                Fault::Again(format!("{} answers {status}", host(url)))
            }
            // A signed address that ran out.
            _ if !ours => Fault::Stale(status.as_u16()),
            StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::GONE => {
                Fault::Final(self.refused(repo, status, headers, url, with_token))
            }
            _ => Fault::Final(HubError::Refused {
                host: host(url),
                what: url.path().to_owned(),
                status: status.as_u16(),
                with_token,
            }),
        }
    }

    /// The hub says in a header what a status alone does not.
    fn refused(
        &self,
        repo: &RepoRef,
        status: StatusCode,
        headers: &HeaderMap,
        url: &Url,
        with_token: bool,
    ) -> HubError {
        let code = headers
            .get("x-error-code")
            .and_then(|code| code.to_str().ok())
            .unwrap_or_default();
        let not_found = |detail: String| HubError::NotFound {
            repo: repo.id().to_owned(),
            host: self.host(),
            detail,
            with_token,
        };
        match code {
            "GatedRepo" => HubError::Gated {
                repo: repo.id().to_owned(),
                page: self.page(repo),
                with_token,
            },
            "RevisionNotFound" => not_found(format!(" at revision {}", repo.revision())),
            "EntryNotFound" => not_found(format!(": {} is not in it", url.path())),
            "RepoNotFound" => not_found(String::new()),
            _ if status == StatusCode::NOT_FOUND || status == StatusCode::GONE => {
                not_found(String::new())
            }
            // The hub does not say whether a model it does not show exists.
            _ if status == StatusCode::UNAUTHORIZED && !with_token => not_found(String::new()),
            _ => HubError::Refused {
                host: self.host(),
                what: repo.id().to_owned(),
                status: status.as_u16(),
                with_token,
            },
        }
    }
}

fn host(url: &Url) -> String {
    let name = url.host_str().unwrap_or("the hub");
    match url.port() {
        Some(port) => format!("{name}:{port}"),
        None => name.to_owned(),
    }
}

/// What went wrong, without the address: a signed one is a secret.
pub(super) fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    // The innermost cause says most: `connection refused`, `unexpected end of file`.
    let mut inner = std::error::Error::source(error);
    while let Some(deeper) = inner.and_then(std::error::Error::source) {
        inner = Some(deeper);
    }
    match inner {
        Some(inner) => inner.to_string(),
        None => "the connection broke".to_owned(),
    }
}

/// In seconds; the hub sends no dates.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    value.parse().ok().map(Duration::from_secs)
}

/// `<URL>; rel="next"` of a paged answer, on the same host.
fn next_page(headers: &HeaderMap, here: &Url) -> Option<Url> {
    let link = headers.get("link")?.to_str().ok()?;
    let next = link.split(',').find(|part| part.contains("rel=\"next\""))?;
    let (_, rest) = next.split_once('<')?;
    let (to, _) = rest.split_once('>')?;
    here.join(to).ok().filter(|to| to.origin() == here.origin())
}
