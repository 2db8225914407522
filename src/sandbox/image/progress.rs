//! How far a pull or an import has got, from what the engine says of each layer. Pure.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bollard::models::CreateImageInfo;

/// Layers an engine may name; a real image has fewer than 130.
const MOST_LAYERS: usize = 1000;

/// How far it has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageProgress {
    pub image: String,
    pub stage: ImageStage,
    /// Bytes received or sent, and of how many as far as is known.
    pub bytes: (u64, u64),
    /// Layers that are complete, of those that are known; no layers: `(0, 0)`.
    pub layers: (usize, usize),
    pub elapsed: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageStage {
    Asking,
    Downloading,
    Unpacking,
    Importing,
}

impl ImageProgress {
    /// The rest at the speed so far; `None` in the first second, which says little of it.
    pub fn left(&self) -> Option<Duration> {
        let (done, total) = self.bytes;
        let moving = match self.stage {
            ImageStage::Downloading | ImageStage::Importing => true,
            ImageStage::Asking | ImageStage::Unpacking => false,
        };
        if !moving || self.elapsed < Duration::from_secs(1) || done == 0 || done >= total {
            return None;
        }
        Some(self.elapsed.mul_f64((total - done) as f64 / done as f64))
    }
}

/// `pulling python:3.13-slim: 2 of 5 layers, 21/47 MB (44%), 12 s left`
impl fmt::Display for ImageProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.stage {
            ImageStage::Asking | ImageStage::Downloading => "pulling",
            ImageStage::Unpacking => "unpacking",
            ImageStage::Importing => "importing",
        };
        write!(f, "{what} {}", self.image)?;
        let mut comma = ": ";
        let (done, all) = self.layers;
        if all > 0 {
            write!(f, "{comma}{done} of {all} layers")?;
            comma = ", ";
        }
        let (done, total) = self.bytes;
        if let Some(percent) = done.saturating_mul(100).checked_div(total) {
            let mega = |bytes: u64| bytes as f64 / 1e6;
            if total < 10_000_000 {
                write!(
                    f,
                    "{comma}{:.1}/{:.1} MB ({percent}%)",
                    mega(done),
                    mega(total)
                )?;
            } else {
                write!(
                    f,
                    "{comma}{:.0}/{:.0} MB ({percent}%)",
                    mega(done),
                    mega(total)
                )?;
            }
        }
        match self.left().map(|left| left.as_secs() + 1) {
            Some(left) if left >= 120 => write!(f, ", {} min left", left / 60),
            Some(left) => write!(f, ", {left} s left"),
            None => Ok(()),
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Layer {
    done: u64,
    total: u64,
    downloaded: bool,
    complete: bool,
}

/// The layers of a pull.
pub(super) struct Layers {
    image: String,
    layers: BTreeMap<String, Layer>,
}

impl Layers {
    pub(super) fn new(image: &str) -> Self {
        Self {
            image: image.to_owned(),
            layers: BTreeMap::new(),
        }
    }

    /// Takes one message in; whether it changed more than a number of bytes.
    pub(super) fn apply(&mut self, said: &CreateImageInfo) -> bool {
        let (Some(id), Some(status)) = (&said.id, &said.status) else {
            return false;
        };
        // The tag is announced like a layer.
        if status.starts_with("Pulling from") || self.layers.len() >= MOST_LAYERS {
            return false;
        }
        let detail = said.progress_detail.clone().unwrap_or_default();
        let number = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
        let layer = self.layers.entry(id.clone()).or_default();
        let before = (layer.downloaded, layer.complete);
        match status.as_str() {
            "Downloading" => {
                layer.done = number(detail.current).unwrap_or(layer.done);
                layer.total = number(detail.total).unwrap_or(layer.total).max(layer.done);
            }
            "Verifying Checksum" | "Download complete" | "Extracting" => {
                layer.done = layer.total;
                layer.downloaded = true;
            }
            "Pull complete" | "Already exists" => {
                layer.done = layer.total;
                layer.downloaded = true;
                layer.complete = true;
            }
            // "Pulling fs layer", "Waiting", "Retrying in 5 seconds": known, no more.
            _ => {}
        }
        before != (layer.downloaded, layer.complete)
    }

    pub(super) fn progress(&self, elapsed: Duration) -> ImageProgress {
        let layers = self.layers.values();
        let bytes = layers.clone().fold((0_u64, 0_u64), |(done, total), layer| {
            (
                done.saturating_add(layer.done),
                total.saturating_add(layer.total),
            )
        });
        let complete = layers.clone().filter(|layer| layer.complete).count();
        let stage = if self.layers.is_empty() {
            ImageStage::Asking
        } else if layers.clone().all(|layer| layer.downloaded) && complete < self.layers.len() {
            ImageStage::Unpacking
        } else {
            ImageStage::Downloading
        };
        ImageProgress {
            image: self.image.clone(),
            stage,
            bytes,
            layers: (complete, self.layers.len()),
            elapsed,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    fn said(line: &str) -> CreateImageInfo {
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn layers_add_up_to_one_bar() {
        let mut layers = Layers::new("python:3.13-slim");
        let at = |seconds: u64| Duration::from_secs(seconds);
        assert_eq!(
            layers.progress(at(0)).to_string(),
            "pulling python:3.13-slim"
        );
        let steps = [
            // As docker 28 says it.
            (
                0,
                r#"{"status":"Pulling from library/python","id":"3.13-slim"}"#,
                "pulling python:3.13-slim",
            ),
            (
                0,
                r#"{"status":"Pulling fs layer","progressDetail":{},"id":"a"}"#,
                "pulling python:3.13-slim: 0 of 1 layers",
            ),
            (
                0,
                r#"{"status":"Already exists","progressDetail":{},"id":"b"}"#,
                "pulling python:3.13-slim: 1 of 2 layers",
            ),
            (
                2,
                r#"{"status":"Downloading","progressDetail":{"current":10000000,"total":40000000},"id":"a"}"#,
                "pulling python:3.13-slim: 1 of 2 layers, 10/40 MB (25%), 7 s left",
            ),
            (
                3,
                r#"{"status":"Download complete","progressDetail":{},"id":"a"}"#,
                "unpacking python:3.13-slim: 1 of 2 layers, 40/40 MB (100%)",
            ),
            (
                4,
                r#"{"status":"Extracting","progressDetail":{"current":1,"total":40000000},"id":"a"}"#,
                "unpacking python:3.13-slim: 1 of 2 layers, 40/40 MB (100%)",
            ),
            (
                5,
                r#"{"status":"Pull complete","progressDetail":{},"id":"a"}"#,
                "pulling python:3.13-slim: 2 of 2 layers, 40/40 MB (100%)",
            ),
            (
                5,
                r#"{"status":"Digest: sha256:00"}"#,
                "pulling python:3.13-slim: 2 of 2 layers, 40/40 MB (100%)",
            ),
            (
                5,
                r#"{"status":"Status: Downloaded newer image for python:3.13-slim"}"#,
                "pulling python:3.13-slim: 2 of 2 layers, 40/40 MB (100%)",
            ),
        ];
        for (seconds, line, shown) in steps {
            layers.apply(&said(line));
            assert_eq!(
                layers.progress(at(seconds)).to_string(),
                shown,
                "after {line}"
            );
        }
    }

    #[test]
    fn an_engine_that_lies_about_numbers_harms_nothing() {
        let mut layers = Layers::new("x");
        for line in [
            r#"{"status":"Downloading","progressDetail":{"current":-5,"total":-7},"id":"a"}"#,
            r#"{"status":"Downloading","progressDetail":{"current":9223372036854775807,"total":1},"id":"b"}"#,
            r#"{"status":"Downloading","progressDetail":{"current":9223372036854775807,"total":1},"id":"c"}"#,
            r#"{"status":"Downloading","id":"d"}"#,
            r#"{"id":"e"}"#,
            r#"{"status":"Downloading"}"#,
        ] {
            layers.apply(&said(line));
        }
        for id in 0..2 * MOST_LAYERS {
            layers.apply(&said(&format!(r#"{{"status":"Waiting","id":"{id}"}}"#)));
        }
        let progress = layers.progress(Duration::from_secs(1));
        assert_eq!(progress.layers, (0, MOST_LAYERS));
        assert!(progress.bytes.0 <= progress.bytes.1);
        assert_eq!(progress.left(), None);
    }
}
