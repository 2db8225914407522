//! Secrets in text that leaves the program's own records: exports and logs.
//!
//! One table of families; a hit is replaced by `[masked: FAMILY]`, what stands around it stays. It is a net,
//! not a proof: what looks like no known family passes. The thing to know before adding a rule: it runs over
//! ordinary source code as well, and the tests count how often it is wrong there.

use regex::{Captures, Regex, RegexSet};
use std::borrow::Cow;

/// A row of the table.
struct Rule {
    family: &'static str,
    /// What is hidden is the group `s`, or else the whole match.
    pattern: &'static str,
    /// Bits a character; a placeholder (`xxxxxxxx`, `your_token_here`) has less. 0 where the shape says enough.
    entropy: f64,
}

const fn rule(family: &'static str, entropy: f64, pattern: &'static str) -> Rule {
    Rule {
        family,
        pattern,
        entropy,
    }
}

#[rustfmt::skip]
const RULES: &[Rule] = &[
    rule("private key", 0.0, r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?P<s>[A-Za-z0-9+/=\s\\:,.-]{64,}?)-----END"),
    rule("github token", 3.0, r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})"),
    rule("gitlab token", 3.0, r"\bgl(?:pat|dt|rt|cbt|ptt|ft|soat)-[A-Za-z0-9_.-]{20,300}"),
    rule("aws access key", 2.5, r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"),
    rule("aws secret key", 4.0, r#"(?i)aws.{0,20}(?:secret|private).{0,20}?["'=:\s]{1,6}(?P<s>[A-Za-z0-9/+]{40})\b"#),
    rule("google api key", 3.0, r"\bAIza[0-9A-Za-z_-]{35}"),
    rule("google oauth token", 3.0, r"\b(?:ya29\.[0-9A-Za-z_-]{20,}|GOCSPX-[0-9A-Za-z_-]{20,})"),
    rule("slack token", 2.5, r"\bxox[abeoprs]-[0-9A-Za-z-]{10,250}"),
    rule("slack webhook", 3.0, r"hooks\.slack\.com/(?:services|workflows)/(?P<s>[A-Za-z0-9+/]{40,60})"),
    rule("stripe key", 3.0, r"\b(?:sk|rk)_(?:live|test)_[0-9A-Za-z]{16,250}"),
    rule("anthropic key", 3.0, r"\bsk-ant-[A-Za-z0-9_-]{20,250}"),
    rule("openai key", 3.5, r"\bsk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{32,250}"),
    rule("hugging face token", 3.0, r"\bhf_[A-Za-z0-9]{30,60}\b"),
    rule("npm token", 3.0, r"\bnpm_[A-Za-z0-9]{36}\b"),
    rule("pypi token", 3.0, r"\bpypi-[A-Za-z0-9_-]{50,300}"),
    rule("crates.io token", 3.0, r"\bcio[A-Za-z0-9]{32}\b"),
    rule("rubygems key", 2.5, r"\brubygems_[0-9a-f]{48}\b"),
    rule("sendgrid key", 3.0, r"\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{32,64}"),
    rule("twilio key", 2.5, r"\bSK[0-9a-f]{32}\b"),
    rule("discord token", 3.5, r"\b[MNO][A-Za-z\d_-]{23,27}\.[A-Za-z\d_-]{6}\.[A-Za-z\d_-]{27,40}"),
    rule("telegram token", 3.0, r"\b\d{8,10}:AA[A-Za-z0-9_-]{33}\b"),
    rule("digitalocean token", 2.5, r"\bdo[opr]_v1_[a-f0-9]{64}\b"),
    rule("shopify token", 2.5, r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}\b"),
    rule("docker token", 3.0, r"\bdckr_pat_[A-Za-z0-9_-]{27,40}"),
    rule("databricks token", 2.5, r"\bdapi[a-f0-9]{32}\b"),
    rule("mailgun key", 2.5, r"\bkey-[0-9a-f]{32}\b"),
    rule("azure key", 4.0, r"(?:AccountKey|SharedAccessKey)=(?P<s>[A-Za-z0-9+/]{42,86}={1,2})"),
    rule("age key", 3.0, r"\bAGE-SECRET-KEY-1[A-Z0-9]{58}\b"),
    rule("json web token", 3.0, r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    rule("password in a url", 2.0, r#"\b[a-zA-Z][a-zA-Z0-9+.-]{1,20}://[^\s:/@"'<>{}$%`]{1,64}:(?P<s>[^\s:/@"'<>{}$%`]{6,128})@"#),
    rule("authorization header", 3.0, r#"(?i)\bauthorization["']?\s*[:=]\s*["']?(?:bearer|basic|token)\s+(?P<s>[A-Za-z0-9._~+/=-]{16,})"#),
    rule("secret in the environment", 3.0, r#"(?m)^(?:export\s+)?[A-Z][A-Z0-9_]*(?:SECRET|TOKEN|PASSWORD|PASSWD|API_KEY|ACCESS_KEY|PRIVATE_KEY)[A-Z0-9_]*=["']?(?P<s>[A-Za-z0-9+/_.~!@#%^&*=-]{12,256})["']?\s*$"#),
    rule("named secret", 3.7, r#"(?i)(?:api[_-]?key|secret[_-]?key|access[_-]?token|auth[_-]?token|client[_-]?secret|passw(?:or)?d)["']?\s*[:=]\s*["'](?P<s>[A-Za-z0-9+/_.~!@#%^&*=-]{16,256})["']"#),
];

/// The table, ready to use. Making it takes some milliseconds.
#[derive(Debug)]
pub struct Masker {
    any: RegexSet,
    rules: Vec<(Regex, usize)>,
}

impl Masker {
    /// # Errors
    /// When a row is no regular expression, which is our bug.
    pub fn new() -> Result<Masker, regex::Error> {
        let rules = RULES
            .iter()
            .enumerate()
            .map(|(at, rule)| Ok((Regex::new(rule.pattern)?, at)))
            .collect::<Result<_, regex::Error>>()?;
        Ok(Masker {
            any: RegexSet::new(RULES.iter().map(|rule| rule.pattern))?,
            rules,
        })
    }

    /// `text` with what looks like a secret replaced.
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let hits = self.any.matches(text);
        let mut out = Cow::Borrowed(text);
        for at in hits {
            if let (Some((regex, _)), Some(rule)) = (self.rules.get(at), RULES.get(at))
                && let Cow::Owned(masked) =
                    regex.replace_all(&out, |found: &Captures<'_>| replaced(found, rule))
            {
                out = Cow::Owned(masked);
            }
        }
        out
    }
}

fn replaced(found: &Captures<'_>, rule: &Rule) -> String {
    let Some(whole) = found.get(0) else {
        return String::new();
    };
    let secret = found.name("s").unwrap_or(whole);
    if entropy(secret.as_str()) < rule.entropy {
        return whole.as_str().to_owned();
    }
    let (begin, end) = (secret.start() - whole.start(), secret.end() - whole.start());
    let before = whole.as_str().get(..begin).unwrap_or_default();
    let after = whole.as_str().get(end..).unwrap_or_default();
    format!("{before}[masked: {}]{after}", rule.family)
}

/// Shannon's, in bits a character, of the characters as they are spread in this text alone.
fn entropy(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in text.bytes() {
        counts[usize::from(byte)] += 1;
    }
    let length = text.len() as f64;
    let bits = counts.iter().filter(|count| **count > 0).map(|count| {
        let share = f64::from(*count) / length;
        -share * share.log2()
    });
    bits.sum()
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice
)]
mod tests;
