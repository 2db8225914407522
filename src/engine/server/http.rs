//! One server over HTTP: requests with its key, answers that are bounded, streams that can be dropped.
//!
//! Redirects are not followed: nothing is sent to a place that the user did not name. A server on this machine is
//! asked without a proxy. Dropping a stream closes its connection.

use super::fault::{Fault, message_of, quoted};
use super::profile::Profile;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response};
use serde_json::Value;
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, SystemTime};
use tokio::time::timeout;

/// Bytes of an answer that is no stream: a list of a thousand models is a tenth of it.
const ANSWER: usize = 4 << 20;

/// Bytes of an error that are read.
const ERROR: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Http {
    client: Client,
    profile: Profile,
}

/// An answer that is no stream.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// `Null` where it is no JSON.
    pub(super) json: Value,
    pub(super) message: String,
    retry_after: Option<Duration>,
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(super) fn fault(self) -> Fault {
        Fault::Status {
            status: self.status,
            message: self.message,
            retry_after: self.retry_after,
        }
    }
}

impl Http {
    pub(super) fn new(profile: &Profile) -> Result<Http, String> {
        let mut headers = HeaderMap::new();
        if let Some(key) = &profile.key {
            // The error of a bad value would not tell it, and neither do we.
            let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", key.secret())) else {
                return Err(format!(
                    "the key in {} has characters that no key has",
                    profile.key_variable
                ));
            };
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        let mut builder = Client::builder()
            .user_agent(concat!("descant/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(profile.timeouts.connect)
            .redirect(Policy::none())
            .tcp_nodelay(true);
        if profile.address.is_loopback() {
            let here = [
                IpAddr::from(Ipv4Addr::LOCALHOST),
                IpAddr::from(Ipv6Addr::LOCALHOST),
            ];
            let here = here.map(|ip| SocketAddr::new(ip, 0));
            builder = builder.no_proxy().resolve_to_addrs("localhost", &here);
        }
        let client = builder.build().map_err(|error| deepest(&error))?;
        Ok(Http {
            client,
            profile: profile.clone(),
        })
    }

    pub(super) async fn get(&self, path: &str, patience: Duration) -> Result<Answer, Fault> {
        self.ask(Method::GET, path, None, patience).await
    }

    pub(super) async fn post(
        &self,
        path: &str,
        body: &Value,
        patience: Duration,
    ) -> Result<Answer, Fault> {
        self.ask(Method::POST, path, Some(body), patience).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        patience: Duration,
    ) -> Result<Answer, Fault> {
        let asked = async {
            let response = self.send(method, path, body).await?;
            answer(response, ANSWER).await
        };
        timeout(patience, asked).await.unwrap_or_else(|_elapsed| {
            Err(Fault::Unreachable(format!(
                "no answer to {path} within {} seconds",
                patience.as_secs()
            )))
        })
    }

    /// Asks for a stream of events; what is no success is read as an error.
    pub(super) async fn stream(&self, path: &str, body: &Value) -> Result<Response, Fault> {
        let response = self.send(Method::POST, path, Some(body)).await?;
        if !response.status().is_success() {
            return Err(answer(response, ERROR).await?.fault());
        }
        let kind = response
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or("nothing that says what it is");
        if kind.starts_with("text/event-stream") {
            return Ok(response);
        }
        let kind = kind.to_owned();
        let answer = answer(response, ERROR).await?;
        Err(match super::fault::error_of(&answer.json) {
            Some(message) => Fault::Said(message),
            None => Fault::Unreadable(format!(
                "not a stream of events but {}: {}",
                quoted(&kind),
                answer.message
            )),
        })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response, Fault> {
        let mut request = self.client.request(method, self.profile.address.url(path));
        if let Some(body) = body {
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body.to_string());
        }
        let response = request.send().await.map_err(|error| unreachable(&error))?;
        if response.status().is_redirection() {
            let place = response.headers().get(header::LOCATION);
            let place = place.map(|place| String::from_utf8_lossy(place.as_bytes()).into_owned());
            return Err(Fault::Redirect {
                status: response.status().as_u16(),
                place: quoted(place.as_deref().unwrap_or("nowhere")),
            });
        }
        Ok(response)
    }
}

async fn answer(mut response: Response, limit: usize) -> Result<Answer, Fault> {
    let status = response.status().as_u16();
    let retry_after = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| delay(value, SystemTime::now()));
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(bytes)) => {
                let room = limit - body.len();
                body.extend_from_slice(bytes.get(..room).unwrap_or(&bytes));
                if body.len() == limit {
                    break;
                }
            }
            Ok(None) => break,
            // What an error had to say is not worth another.
            Err(_cut) if !(200..300).contains(&status) => break,
            Err(error) => return Err(unreachable(&error)),
        }
    }
    Ok(Answer {
        status,
        json: serde_json::from_slice(&body).unwrap_or(Value::Null),
        message: message_of(body.get(..ERROR).unwrap_or(&body)),
        retry_after,
    })
}

/// `Retry-After`: seconds, or a date.
fn delay(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// What a connection broke of.
pub(super) fn unreachable(error: &reqwest::Error) -> Fault {
    Fault::Unreachable(deepest(error))
}

/// The last cause: `Connection refused`, and not that a request could not be sent.
pub(super) fn deepest(error: &dyn Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    quoted(&deepest.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:07 GMT").unwrap();
        assert_eq!(delay(" 3 ", now), Some(Duration::from_secs(3)));
        assert_eq!(
            delay("Sun, 06 Nov 1994 08:49:37 GMT", now),
            Some(Duration::from_secs(30))
        );
        assert_eq!(
            delay("Sun, 06 Nov 1994 08:00:00 GMT", now),
            Some(Duration::ZERO)
        );
        assert_eq!(delay("soon", now), None);
        assert_eq!(delay("-1", now), None);
    }
}
