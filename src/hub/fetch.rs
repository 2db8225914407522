//! One file from the hub: ranges of it beside each other, each tried again where it breaks off.
//!
//! A server that ignores ranges is read from the beginning to the end, and what is there already is passed over. A chunk
//! counts when it is written; what was in flight when a connection broke comes again.

use super::client::{Fault, Hub, reason};
use super::listing::RepoFile;
use super::parts::{Part, write_chunk};
use super::{HubError, RepoRef};
use futures_util::future::join_all;
use reqwest::header::CONTENT_RANGE;
use reqwest::{Response, StatusCode, Url};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Told of bytes that came (positive) and of those that came for nothing (negative), and of what holds it up.
pub(super) trait Watcher: Sync {
    fn bytes(&self, by: i64);
    fn note(&self, note: Option<String>);
}

pub(super) struct Fetch<'a> {
    pub(super) hub: &'a Hub,
    pub(super) repo: &'a RepoRef,
    pub(super) commit: &'a str,
    pub(super) file: &'a RepoFile,
    pub(super) connections: usize,
    pub(super) watcher: &'a dyn Watcher,
}

struct Shared {
    part: Mutex<Part>,
    path: PathBuf,
    /// Where the file was redirected to; asked for again when it holds no longer.
    source: Mutex<Option<Url>>,
    /// The server sends all of it whatever is asked.
    whole_only: AtomicBool,
    /// One failed for good: the others stop.
    over: AtomicBool,
}

/// How a try ended that brought no error for good.
enum Came {
    Done,
    WholeOnly,
}

impl Fetch<'_> {
    /// Fetches what is missing.
    pub(super) async fn run(&self, part: Part) -> Result<Part, HubError> {
        let shared = Shared {
            path: part.path().to_owned(),
            part: Mutex::new(part),
            source: Mutex::new(None),
            whole_only: AtomicBool::new(false),
            over: AtomicBool::new(false),
        };
        let connections = self.connections.min(lock(&shared.part).chunks()).max(1);
        let ranges = (0..connections).map(|_| self.ranges(&shared, connections));
        for ended in join_all(ranges).await {
            ended?;
        }
        if lock(&shared.part).missing() > 0 {
            self.whole(&shared).await?;
        }
        Ok(shared
            .part
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner))
    }

    /// One connection's work: spans until none is left.
    async fn ranges(&self, shared: &Shared, connections: usize) -> Result<(), HubError> {
        let mut failed = 0;
        loop {
            let stop =
                shared.whole_only.load(Ordering::Relaxed) || shared.over.load(Ordering::Relaxed);
            let taken = if stop {
                None
            } else {
                lock(&shared.part).take(connections)
            };
            let Some(span) = taken else { return Ok(()) };
            let before = lock(&shared.part).missing();
            let came = self.span(shared, span.clone()).await;
            lock(&shared.part).give_back(span);
            match came {
                Ok(Came::Done) => failed = 0,
                Ok(Came::WholeOnly) => shared.whole_only.store(true, Ordering::Relaxed),
                Err(fault) => {
                    let progressed = lock(&shared.part).missing() < before;
                    failed = if progressed { 1 } else { failed + 1 };
                    let waited = self.wait(fault, failed, shared).await;
                    if waited.is_err() {
                        shared.over.store(true, Ordering::Relaxed);
                    }
                    waited?;
                }
            }
        }
    }

    async fn wait(&self, fault: Fault, failed: u32, shared: &Shared) -> Result<(), HubError> {
        let why = match &fault {
            Fault::Wait(_) => format!("{} asks to wait", self.hub.host()),
            Fault::Again(reason) => reason.clone(),
            Fault::Stale(status) => format!("its address ran out ({status})"),
            Fault::Final(_) => String::new(),
        };
        // Wherever it was redirected to may be what is wrong.
        *lock(&shared.source) = None;
        let wait = self.hub.after(fault, failed)?;
        let again = super::duration(wait);
        self.watcher.note(Some(format!(
            "{why}; again in {again} (try {} of {})",
            failed + 1,
            self.hub.patience.tries
        )));
        tokio::time::sleep(wait).await;
        self.watcher.note(None);
        Ok(())
    }

    /// Asks where the file is, or where it was last.
    async fn open(&self, shared: &Shared, range: Option<Range<u64>>) -> Result<Response, Fault> {
        let known = lock(&shared.source).clone();
        let url =
            known.unwrap_or_else(|| self.hub.file_url(self.repo, self.commit, &self.file.name));
        let response = self.hub.get(self.repo, url, range).await?;
        *lock(&shared.source) = Some(response.url().clone());
        Ok(response)
    }

    async fn span(&self, shared: &Shared, span: Range<usize>) -> Result<Came, Fault> {
        let (from, to) = {
            let part = lock(&shared.part);
            (part.range(span.start).start, part.range(span.end - 1).end)
        };
        let all = from == 0 && to == self.file.size;
        let mut response = self.open(shared, (!all).then_some(from..to)).await?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {
                let said = response
                    .headers()
                    .get(CONTENT_RANGE)
                    .and_then(|v| v.to_str().ok());
                if !said.is_some_and(|said| is_range(said, from, to, self.file.size)) {
                    return Err(Fault::Again(format!(
                        "bytes {from}-{} were asked for and `{}` came",
                        to - 1,
                        said.map_or_else(
                            || "no range".to_owned(),
                            |said| said.chars().take(60).collect()
                        )
                    )));
                }
            }
            _ if all => self.expect_size(&response)?,
            _ => return Ok(Came::WholeOnly),
        }
        self.read(shared, &mut response, span).await?;
        Ok(Came::Done)
    }

    /// From the beginning, over one connection.
    async fn whole(&self, shared: &Shared) -> Result<(), HubError> {
        let mut failed = 0;
        loop {
            let before = lock(&shared.part).missing();
            let tried = async {
                let mut response = self.open(shared, None).await?;
                self.expect_size(&response)?;
                let all = 0..lock(&shared.part).chunks();
                self.read(shared, &mut response, all).await
            };
            let Err(fault) = tried.await else {
                return Ok(());
            };
            failed = if lock(&shared.part).missing() < before {
                1
            } else {
                failed + 1
            };
            self.wait(fault, failed, shared).await?;
        }
    }

    fn expect_size(&self, response: &Response) -> Result<(), Fault> {
        match response.content_length() {
            Some(length) if length != self.file.size => Err(Fault::Again(format!(
                "{} has {length} bytes there, not {}",
                self.file.name, self.file.size
            ))),
            Some(_) | None => Ok(()),
        }
    }

    /// Reads the chunks of `span` in their order; those that are there are passed over.
    async fn read(
        &self,
        shared: &Shared,
        response: &mut Response,
        span: Range<usize>,
    ) -> Result<(), Fault> {
        let mut rest = bytes::Bytes::new();
        for chunk in span {
            let (range, wanted) = {
                let part = lock(&shared.part);
                (part.range(chunk), !part.has(chunk))
            };
            let size = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            let mut buffer = Vec::with_capacity(if wanted { size } else { 0 });
            let mut seen = 0;
            let mut counted = Counted::new(self.watcher);
            while seen < size {
                if rest.is_empty() {
                    let came = response
                        .chunk()
                        .await
                        .map_err(|e| Fault::Again(reason(&e)))?;
                    rest = came.ok_or_else(|| Fault::Again("the connection was cut".to_owned()))?;
                }
                if shared.over.load(Ordering::Relaxed) {
                    return Err(Fault::Again("another connection failed".to_owned()));
                }
                let piece = rest.split_to(rest.len().min(size - seen));
                seen += piece.len();
                if wanted {
                    counted.add(piece.len());
                    buffer.extend_from_slice(&piece);
                }
            }
            if wanted {
                let path = shared.path.clone();
                let written =
                    tokio::task::spawn_blocking(move || write_chunk(&path, range.start, &buffer))
                        .await;
                let written = written.unwrap_or_else(|broke| Err(std::io::Error::other(broke)));
                let added = written.and_then(|sum| lock(&shared.part).add(chunk, sum));
                added.map_err(|e| Fault::Final(disk(shared, &e)))?;
                counted.keep();
            }
        }
        Ok(())
    }
}

fn disk(shared: &Shared, error: &std::io::Error) -> HubError {
    let path = &shared.path;
    if matches!(
        error.kind(),
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
    ) {
        let folder = path.parent().unwrap_or(path);
        return HubError::DiskFull {
            folder: folder.to_owned(),
            need: lock(&shared.part).missing(),
            free: super::cache::free_space(folder).unwrap_or(0),
        };
    }
    HubError::io(path, error)
}

/// Bytes told of and not kept yet: what is not kept is taken back.
struct Counted<'a> {
    watcher: &'a dyn Watcher,
    bytes: i64,
}

impl<'a> Counted<'a> {
    fn new(watcher: &'a dyn Watcher) -> Self {
        Counted { watcher, bytes: 0 }
    }

    fn add(&mut self, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.bytes += count;
        self.watcher.bytes(count);
    }

    fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.watcher.bytes(-self.bytes);
        }
    }
}

/// `bytes FROM-TO/SIZE`, beginning where it was asked to and not going further.
fn is_range(said: &str, from: u64, to: u64, size: u64) -> bool {
    let parsed = said.strip_prefix("bytes ").and_then(|rest| {
        let (range, total) = rest.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        Some((
            first.parse::<u64>().ok()?,
            last.parse::<u64>().ok()?,
            total.to_owned(),
        ))
    });
    parsed.is_some_and(|(first, last, total)| {
        first == from && last < to && last >= first && (total == "*" || total == size.to_string())
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::is_range;

    #[test]
    fn a_range_is_the_one_that_was_asked_for() {
        assert!(is_range("bytes 10-19/100", 10, 20, 100));
        assert!(is_range("bytes 10-19/*", 10, 20, 100));
        assert!(
            is_range("bytes 10-14/100", 10, 20, 100),
            "shorter: the rest comes again"
        );
        for wrong in [
            "bytes 0-9/100",
            "bytes 10-20/100",
            "bytes 10-19/99",
            "bytes 10-9/100",
            "bytes */100",
            "10-19/100",
            "",
        ] {
            assert!(!is_range(wrong, 10, 20, 100), "{wrong}");
        }
    }
}
