//! Where a server is: what the user typed, checked once.

use reqwest::Url;
use std::net::IpAddr;

/// The base of a server's URLs, without `/v1` at its end. It holds no secret: one with a password is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    base: String,
    short: String,
    loopback: bool,
}

impl Address {
    /// Reads `http://HOST:PORT`, `https://...`, with or without `/v1` at its end, or a bare `HOST:PORT`.
    ///
    /// # Errors
    /// What is wrong with it, for a sentence that names it.
    pub fn parse(text: &str) -> Result<Address, String> {
        let text = text.trim();
        let full = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        let url = Url::parse(&full).map_err(|error| format!("is not a URL: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!(
                "begins with {}://, not http:// or https://",
                url.scheme()
            ));
        }
        let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
            return Err("names no host".to_owned());
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                "holds a name or password; put the key into an environment variable".to_owned(),
            );
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("has a ? or # part; give the base of the server's URLs alone".to_owned());
        }
        let path = url.path().trim_end_matches('/');
        let path = path.strip_suffix("/v1").unwrap_or(path);
        let place = match url.port() {
            Some(port) => format!("{host}:{port}{path}"),
            None => format!("{host}{path}"),
        };
        let base = format!("{}://{place}", url.scheme());
        let plain = url.scheme() == "http" && url.port().is_some();
        Ok(Address {
            loopback: is_loopback(host),
            short: if plain { place } else { base.clone() },
            base,
        })
    }

    /// The URL of `path`, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The base, e.g. `http://127.0.0.1:8080`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The shortest text that [`Address::parse`] reads as this: `127.0.0.1:8080`, `https://models.example`.
    pub fn short(&self) -> &str {
        &self.short
    }

    /// Whether it is this machine, by a name or number that no name server answers for.
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Whether what is sent can be read on its way.
    pub fn is_plain(&self) -> bool {
        self.base.starts_with("http://") && !self.loopback
    }
}

fn is_loopback(host: &str) -> bool {
    if host == "localhost" {
        return true;
    }
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback(),
        Ok(IpAddr::V6(ip)) => {
            ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
        }
        Err(_a_name) => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_a_server_is_read() {
        for (text, base, short, loopback) in [
            (
                "http://127.0.0.1:8080",
                "http://127.0.0.1:8080",
                "127.0.0.1:8080",
                true,
            ),
            (
                "http://127.0.0.1:8080/v1/",
                "http://127.0.0.1:8080",
                "127.0.0.1:8080",
                true,
            ),
            (
                " localhost:11434 ",
                "http://localhost:11434",
                "localhost:11434",
                true,
            ),
            (
                "http://[::1]:1234/v1",
                "http://[::1]:1234",
                "[::1]:1234",
                true,
            ),
            (
                "[::ffff:127.0.0.1]:80",
                "http://[::ffff:7f00:1]",
                "http://[::ffff:7f00:1]",
                true,
            ),
            (
                "http://gpu/llm/v1",
                "http://gpu/llm",
                "http://gpu/llm",
                false,
            ),
            (
                "https://models.example",
                "https://models.example",
                "https://models.example",
                false,
            ),
            (
                "https://models.example:8443/v1",
                "https://models.example:8443",
                "https://models.example:8443",
                false,
            ),
            (
                "http://10.0.0.3:8000",
                "http://10.0.0.3:8000",
                "10.0.0.3:8000",
                false,
            ),
            // A name server could answer anything for it.
            (
                "http://127.0.0.1.example:80",
                "http://127.0.0.1.example",
                "http://127.0.0.1.example",
                false,
            ),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!((address.base(), address.short()), (base, short), "{text}");
            assert_eq!(address.is_loopback(), loopback, "{text}");
            assert_eq!(Address::parse(address.short()).unwrap(), address, "{text}");
        }
        let v1 = Address::parse("http://a:1/v1").unwrap();
        assert_eq!(v1.url("/v1/models"), "http://a:1/v1/models");
    }

    #[test]
    fn what_is_no_server_is_refused_with_the_reason() {
        for (text, part) in [
            ("", "not a URL"),
            ("http://", "not a URL"),
            ("ftp://a", "ftp://"),
            ("file:///etc/passwd", "file://"),
            ("http://user:secret@host", "environment variable"),
            ("http://user@host", "environment variable"),
            ("http://host/?key=1", "? or #"),
            ("http://host:99999", "not a URL"),
        ] {
            let reason = Address::parse(text).unwrap_err();
            assert!(reason.contains(part), "{text}: {reason}");
            assert!(!reason.contains("secret"), "{reason}");
        }
    }
}
