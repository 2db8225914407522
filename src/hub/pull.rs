//! A download from the first question to the last link: what there is, what of it is missing, getting it, checking it.

use super::cache::{RepoFolder, free_space};
use super::client::{Hub, Patience};
use super::fetch::{Fetch, Watcher};
use super::listing::RepoFile;
use super::meter::Meter;
use super::parts::Part;
use super::{HubError, HubSettings, RepoRef, sizes, verify};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// Ranges that are fetched beside each other.
const CONNECTIONS: usize = 8;
/// How often a consumer is told how far it is.
const PACE: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub struct Pull {
    hub: Hub,
    cache: PathBuf,
    repo: RepoRef,
    connections: usize,
}

/// What a download would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullPlan {
    pub repo: RepoRef,
    pub commit: String,
    pub files: Vec<RepoFile>,
    /// Bytes of all files, and of those that are there already.
    pub total: u64,
    pub present: u64,
    /// The cache it goes to, and the room there; `None` where the system does not say.
    pub cache: PathBuf,
    pub free: Option<u64>,
}

impl PullPlan {
    pub fn missing(&self) -> u64 {
        self.total.saturating_sub(self.present)
    }

    /// # Errors
    /// [`HubError::DiskFull`].
    pub fn check_room(&self) -> Result<(), HubError> {
        match self.free {
            Some(free) if free < self.missing() => Err(HubError::DiskFull {
                folder: self.cache.clone(),
                need: self.missing(),
                free,
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Two lines for whoever decides about it.
    pub fn in_words(&self) -> String {
        let files = self.files.len();
        let short: String = self.commit.chars().take(12).collect();
        let mut text = format!(
            "{} at {} ({short}): {files} files, {}",
            self.repo.id(),
            self.repo.revision(),
            sizes::bytes(self.total)
        );
        match (self.present, self.missing()) {
            (_, 0) => text.push_str(", all of it there already"),
            (0, _) => {}
            (present, missing) => text.push_str(&format!(
                "; {} there already, {} to download",
                sizes::bytes(present),
                sizes::bytes(missing)
            )),
        }
        text.push_str(&format!("\ninto {}", self.cache.display()));
        if let Some(free) = self.free {
            let after = free.saturating_sub(self.missing());
            text.push_str(&format!(
                "; {} free there, {} afterwards",
                sizes::bytes(free),
                sizes::bytes(after)
            ));
        }
        text
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Downloading,
    /// All is there and its checksums are computed.
    Verifying,
}

/// How far a download is.
#[derive(Debug, Clone, PartialEq)]
pub struct PullProgress {
    pub repo: String,
    pub stage: Stage,
    /// Bytes that are there, and all of them.
    pub done: u64,
    pub total: u64,
    /// Bytes a second, over the last seconds.
    pub speed: Option<f64>,
    pub left: Option<Duration>,
    /// The file that comes now, and which of how many it is.
    pub file: String,
    pub number: usize,
    pub files: usize,
    /// What holds it up.
    pub note: Option<String>,
}

impl PullProgress {
    pub fn percent(&self) -> u64 {
        let percent = u128::from(self.done) * 100 / u128::from(self.total.max(1));
        u64::try_from(percent).unwrap_or(100).min(100)
    }

    /// `42% of 13.8 GB, 85.3 MB/s, 1:34 left`.
    pub fn in_words(&self) -> String {
        if self.stage == Stage::Verifying {
            return "checking what was downloaded".to_owned();
        }
        let mut text = format!("{}% of {}", self.percent(), sizes::bytes(self.total));
        if let Some(note) = &self.note {
            return format!("{text}, {note}");
        }
        if let Some(speed) = self.speed {
            text.push_str(&format!(", {}/s", sizes::bytes(speed as u64)));
        }
        if let Some(left) = self.left {
            text.push_str(&format!(", {} left", sizes::duration(left)));
        }
        text
    }
}

/// What the connections tell of, gathered for whoever looks.
#[derive(Debug, Default)]
struct Tally {
    bytes: AtomicI64,
    told: Mutex<Told>,
}

#[derive(Debug, Default, Clone)]
struct Told {
    note: Option<String>,
    file: String,
    number: usize,
    verifying: bool,
}

impl Watcher for Tally {
    fn bytes(&self, by: i64) {
        self.bytes.fetch_add(by, Ordering::Relaxed);
    }

    fn note(&self, note: Option<String>) {
        self.told(|told| told.note = note);
    }
}

impl Tally {
    fn told<T>(&self, with: impl FnOnce(&mut Told) -> T) -> T {
        with(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Pull {
    /// # Errors
    /// An address of a hub that is none.
    pub fn new(settings: &HubSettings, repo: RepoRef) -> Result<Pull, HubError> {
        Pull::with(settings, repo, Patience::default(), CONNECTIONS)
    }

    /// [`Pull::new`] for tests and measurements.
    #[doc(hidden)]
    pub fn with(
        settings: &HubSettings,
        repo: RepoRef,
        patience: Patience,
        connections: usize,
    ) -> Result<Pull, HubError> {
        Ok(Pull {
            hub: Hub::new(settings, patience)?,
            cache: settings.cache.clone(),
            repo,
            connections,
        })
    }

    /// Asks the hub what the model is made of, and looks what of it is there.
    ///
    /// # Errors
    /// No connection, no such model, no access, no safetensors.
    pub async fn plan(&self) -> Result<PullPlan, HubError> {
        let commit = self.hub.commit(&self.repo).await?;
        let files = self.hub.files(&self.repo, &commit).await?;
        let folder = RepoFolder::new(&self.cache, &self.repo);
        // By content: what two names share is downloaded once.
        let contents: BTreeMap<&str, &RepoFile> =
            files.iter().map(|file| (file.hash.hex(), file)).collect();
        Ok(PullPlan {
            repo: self.repo.clone(),
            total: contents.values().map(|file| file.size).sum(),
            present: contents.values().map(|file| folder.present(file)).sum(),
            free: free_space(&self.cache),
            cache: self.cache.clone(),
            commit,
            files,
        })
    }

    /// Gets what is missing and gives the folder of the model. `progress` is called on this task, a few times a second.
    /// What is there is kept whatever happens, and nothing is in its place before its checksum is right.
    ///
    /// # Errors
    /// Whatever the hub, the connection and the disk do, and [`HubError::Cancelled`].
    pub async fn run(
        &self,
        plan: &PullPlan,
        mut progress: impl FnMut(PullProgress),
        cancel: &CancellationToken,
    ) -> Result<PathBuf, HubError> {
        let tally = Tally::default();
        let mut meter = Meter::default();
        let begun = Instant::now();
        // What is passed over on the way is not downloaded: the meter counts from here.
        let present = i64::try_from(plan.present).unwrap_or(i64::MAX);
        let work = self.work(plan, &tally, cancel);
        tokio::pin!(work);
        let mut tick = tokio::time::interval(PACE);
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Err(HubError::Cancelled),
                done = &mut work => return done,
                _ = tick.tick() => {
                    let came = present.saturating_add(tally.bytes.load(Ordering::Relaxed));
                    let came = u64::try_from(came).unwrap_or(0).min(plan.total);
                    meter.add(begun.elapsed(), came);
                    progress(report(plan, &tally, &meter, came));
                }
            }
        }
    }

    async fn work(
        &self,
        plan: &PullPlan,
        tally: &Tally,
        cancel: &CancellationToken,
    ) -> Result<PathBuf, HubError> {
        let folder = RepoFolder::new(&self.cache, &self.repo);
        folder.create()?;
        let _lock = folder.lock()?;
        plan.check_room()?;
        let mut arrived: Vec<(&RepoFile, Hashing)> = Vec::new();
        for (number, file) in plan.files.iter().enumerate() {
            // Two names may have the same content.
            let twin = |(other, _): &(&RepoFile, Hashing)| other.hash == file.hash;
            if folder.has(file) || arrived.iter().any(twin) {
                continue;
            }
            tally.told(|told| (told.number, told.file) = (number + 1, file.name.clone()));
            let part = Part::open(&folder.blobs(), file.hash.hex(), file.size);
            let part = part.map_err(|e| HubError::io(&folder.blobs(), &e))?;
            let part = self.fetch(plan, file, tally, part).await?;
            // Beside the download of the next one.
            arrived.push((file, hashed(file, part, cancel)));
        }
        tally.told(|told| told.verifying = true);
        for (file, hashing) in arrived {
            let (mut part, mut have) = settled(hashing, &folder).await?;
            if have != file.hash.hex() && lost(&mut part, &folder)? > 0 {
                // What the disk lost is not the server's fault.
                tally.told(|told| told.verifying = false);
                let again = self.fetch(plan, file, tally, part).await?;
                (part, have) = settled(hashed(file, again, cancel), &folder).await?;
            }
            if have != file.hash.hex() {
                part.discard()
                    .map_err(|e| HubError::io(&folder.blobs(), &e))?;
                return Err(HubError::Checksum {
                    file: file.name.clone(),
                    want: file.hash.hex().to_owned(),
                    have,
                });
            }
            let blob = folder.blobs().join(file.hash.hex());
            part.finish(&blob).map_err(|e| HubError::io(&blob, &e))?;
            let _ = std::fs::remove_file(folder.bad_mark(file.hash.hex()));
        }
        folder.link(&self.repo, &plan.commit, &plan.files)
    }

    async fn fetch(
        &self,
        plan: &PullPlan,
        file: &RepoFile,
        tally: &Tally,
        part: Part,
    ) -> Result<Part, HubError> {
        if part.missing() == 0 {
            return Ok(part);
        }
        let fetch = Fetch {
            hub: &self.hub,
            repo: &self.repo,
            commit: &plan.commit,
            file,
            connections: self.connections,
            watcher: tally,
        };
        fetch.run(part).await
    }
}

type Hashing = tokio::task::JoinHandle<(Part, std::io::Result<String>)>;

fn hashed(file: &RepoFile, part: Part, cancel: &CancellationToken) -> Hashing {
    let (hash, cancel) = (file.hash.clone(), cancel.clone());
    tokio::task::spawn_blocking(move || {
        let have = verify::hash(part.path(), &hash, &cancel, |_| {});
        (part, have)
    })
}

async fn settled(hashing: Hashing, folder: &RepoFolder) -> Result<(Part, String), HubError> {
    let blobs = folder.blobs();
    match hashing.await {
        Ok((part, Ok(have))) => Ok((part, have)),
        Ok((_, Err(error))) if error.kind() == std::io::ErrorKind::Interrupted => {
            Err(HubError::Cancelled)
        }
        Ok((_, Err(error))) => Err(HubError::io(&blobs, &error)),
        Err(broke) => Err(HubError::io(&blobs, &std::io::Error::other(broke))),
    }
}

fn lost(part: &mut Part, folder: &RepoFolder) -> Result<usize, HubError> {
    part.recheck()
        .map_err(|e| HubError::io(&folder.blobs(), &e))
}

fn report(plan: &PullPlan, tally: &Tally, meter: &Meter, done: u64) -> PullProgress {
    let told = tally.told(|told| told.clone());
    PullProgress {
        repo: plan.repo.to_string(),
        stage: if told.verifying {
            Stage::Verifying
        } else {
            Stage::Downloading
        },
        done,
        total: plan.total,
        speed: meter.speed(),
        left: meter.left(plan.total.saturating_sub(done)),
        file: told.file,
        number: told.number,
        files: plan.files.len(),
        note: told.note,
    }
}
