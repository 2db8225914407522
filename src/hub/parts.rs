//! A file that is being downloaded: its bytes, and beside them which chunks of it are there.
//!
//! The record is a line a chunk, appended once the chunk is written, with a checksum of the chunk. So a kill loses what
//! was in flight and no more, and after a power failure, where bytes may be missing that the record has, the chunks
//! that are not as recorded are told from those that are. The names are our own: other tools take the length of theirs
//! for how far a download got.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// What is recorded at once, in bytes.
pub(super) const CHUNK: u64 = 4 << 20;

/// The most that is asked for in one request, in chunks.
const SPAN: usize = 16;

#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    record_path: PathBuf,
    record: File,
    size: u64,
    /// The checksum of each chunk that is there.
    there: Vec<Option<u32>>,
    /// Being fetched.
    taken: Vec<bool>,
}

impl Part {
    /// The part of the file `name` in `folder`, as it was left, or a new one.
    pub(super) fn open(folder: &Path, name: &str, size: u64) -> std::io::Result<Part> {
        let (path, record_path) = paths(folder, name);
        let chunks = usize::try_from(size.div_ceil(CHUNK)).map_err(std::io::Error::other)?;
        let old_size = std::fs::symlink_metadata(&path)
            .ok()
            .filter(|m| m.is_file())
            .map(|m| m.len());
        let there = match old_size {
            Some(old) if old == size => {
                recorded(&record_path, size).unwrap_or_else(|| vec![None; chunks])
            }
            Some(_) | None => vec![None; chunks],
        };
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(&path)?;
        file.set_len(size)?;
        // Written anew: the last line of the old one may be torn.
        let mut text = head(size);
        for (chunk, sum) in there.iter().enumerate() {
            if let Some(sum) = sum {
                text.push_str(&line(chunk, *sum));
            }
        }
        let fresh = record_path.with_extension("new");
        std::fs::write(&fresh, text)?;
        std::fs::rename(&fresh, &record_path)?;
        Ok(Part {
            record: OpenOptions::new().append(true).open(&record_path)?,
            path,
            record_path,
            size,
            taken: vec![false; there.len()],
            there,
        })
    }

    /// Bytes of `name` that are recorded as there, without touching anything.
    pub(super) fn present(folder: &Path, name: &str, size: u64) -> u64 {
        let (path, record_path) = paths(folder, name);
        let whole = std::fs::symlink_metadata(path).is_ok_and(|m| m.is_file() && m.len() == size);
        let there = whole
            .then(|| recorded(&record_path, size))
            .flatten()
            .unwrap_or_default();
        let chunks = there.iter().enumerate().filter(|(_, sum)| sum.is_some());
        chunks.map(|(chunk, _)| len(range(chunk, size))).sum()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn missing(&self) -> u64 {
        let missing = self
            .there
            .iter()
            .enumerate()
            .filter(|(_, sum)| sum.is_none());
        missing.map(|(chunk, _)| len(range(chunk, self.size))).sum()
    }

    pub(super) fn chunks(&self) -> usize {
        self.there.len()
    }

    pub(super) fn has(&self, chunk: usize) -> bool {
        self.there.get(chunk).is_some_and(Option::is_some)
    }

    /// Bytes of the file that a chunk is.
    pub(super) fn range(&self, chunk: usize) -> Range<u64> {
        range(chunk, self.size)
    }

    /// The next chunks in a row that nobody fetches, taken; fewer at a time towards the end, so that every one of
    /// `connections` has work.
    pub(super) fn take(&mut self, connections: usize) -> Option<Range<usize>> {
        let free = |part: &Part, chunk: usize| !part.has(chunk) && !part.taken[chunk];
        let first = (0..self.chunks()).find(|chunk| free(self, *chunk))?;
        let rest = (first..self.chunks())
            .filter(|chunk| free(self, *chunk))
            .count();
        let most = (rest / connections.max(1)).clamp(1, SPAN);
        let mut end = first;
        while end < self.chunks() && end - first < most && free(self, end) {
            self.taken[end] = true;
            end += 1;
        }
        Some(first..end)
    }

    /// What was not fetched may be taken again.
    pub(super) fn give_back(&mut self, chunks: Range<usize>) {
        for taken in &mut self.taken[chunks] {
            *taken = false;
        }
    }

    /// The bytes of a chunk are written: it is there from now on.
    pub(super) fn add(&mut self, chunk: usize, sum: u32) -> std::io::Result<()> {
        self.record.write_all(line(chunk, sum).as_bytes())?;
        self.there[chunk] = Some(sum);
        self.taken[chunk] = false;
        Ok(())
    }

    /// Looks at every chunk that is recorded; those that are not as recorded are missing again. How many they are.
    pub(super) fn recheck(&mut self) -> std::io::Result<usize> {
        let mut file = File::open(&self.path)?;
        let mut bytes = Vec::new();
        let mut lost = 0;
        for chunk in 0..self.chunks() {
            let Some(sum) = self.there[chunk] else {
                continue;
            };
            let range = self.range(chunk);
            bytes.clear();
            file.seek(SeekFrom::Start(range.start))?;
            (&mut file).take(len(range)).read_to_end(&mut bytes)?;
            if checksum(&bytes) != sum {
                self.there[chunk] = None;
                lost += 1;
            }
        }
        Ok(lost)
    }

    /// Throws it away.
    pub(super) fn discard(self) -> std::io::Result<()> {
        std::fs::remove_file(&self.path)?;
        std::fs::remove_file(&self.record_path)
    }

    /// Puts the whole file, whose checksum is right, in its place.
    pub(super) fn finish(self, to: &Path) -> std::io::Result<()> {
        File::open(&self.path)?.sync_all()?;
        std::fs::rename(&self.path, to)?;
        std::fs::remove_file(&self.record_path)
    }
}

/// Writes a chunk; gives the checksum to record.
pub(super) fn write_chunk(path: &Path, at: u64, bytes: &[u8]) -> std::io::Result<u32> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)?;
    Ok(checksum(bytes))
}

/// Names of files of ours beside those of the cache.
pub(super) fn is_ours(name: &str) -> bool {
    name.ends_with(".descant-part")
        || name.ends_with(".descant-record")
        || name.ends_with(".descant-bad")
}

fn paths(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    (
        folder.join(format!("{name}.descant-part")),
        folder.join(format!("{name}.descant-record")),
    )
}

fn head(size: u64) -> String {
    format!("descant 1 {size} {CHUNK}\n")
}

fn line(chunk: usize, sum: u32) -> String {
    format!("{chunk} {sum:08x}\n")
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn range(chunk: usize, size: u64) -> Range<u64> {
    let start = (chunk as u64 * CHUNK).min(size);
    start..(start + CHUNK).min(size)
}

fn len(range: Range<u64>) -> u64 {
    range.end - range.start
}

/// The chunks on record for a file of this size; `None` where it is the record of something else.
fn recorded(path: &Path, size: u64) -> Option<Vec<Option<u32>>> {
    let text = std::fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&text);
    let rest = text.strip_prefix(&head(size))?;
    let mut there = vec![None; usize::try_from(size.div_ceil(CHUNK)).ok()?];
    for line in rest.split_inclusive('\n') {
        let parsed = line
            .strip_suffix('\n')
            .and_then(|line| line.split_once(' '));
        let Some((chunk, sum)) = parsed.filter(|(_, sum)| sum.len() == 8) else {
            continue;
        };
        if let (Ok(chunk), Ok(sum)) = (chunk.parse::<usize>(), u32::from_str_radix(sum, 16))
            && let Some(place) = there.get_mut(chunk)
        {
            *place = Some(sum);
        }
    }
    Some(there)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SIZE: u64 = 3 * CHUNK + 5;

    fn fill(part: &mut Part, chunk: usize, byte: u8) {
        let range = part.range(chunk);
        let bytes = vec![byte; usize::try_from(len(range.clone())).unwrap()];
        let sum = write_chunk(part.path(), range.start, &bytes).unwrap();
        part.add(chunk, sum).unwrap();
    }

    #[test]
    fn it_goes_on_where_it_was_left_even_behind_a_torn_line() {
        let dir = tempfile::tempdir().unwrap();
        let mut part = Part::open(dir.path(), "abc", SIZE).unwrap();
        assert_eq!((part.chunks(), part.missing()), (4, SIZE));
        fill(&mut part, 3, 7);
        fill(&mut part, 1, 8);
        drop(part);
        let record = dir.path().join("abc.descant-record");
        let text = std::fs::read_to_string(&record).unwrap();
        for torn in 1..12 {
            std::fs::write(&record, &text.as_bytes()[..text.len() - torn]).unwrap();
            let part = Part::open(dir.path(), "abc", SIZE).unwrap();
            assert_eq!(part.missing(), SIZE - 5, "{torn}");
            assert!(part.has(3) && !part.has(1));
            drop(part);
            std::fs::write(&record, &text).unwrap();
        }
        assert_eq!(Part::present(dir.path(), "abc", SIZE), CHUNK + 5);
        assert_eq!(Part::present(dir.path(), "abc", SIZE + 1), 0);
        let other = Part::open(dir.path(), "abc", SIZE + 1).unwrap();
        assert_eq!(
            other.missing(),
            SIZE + 1,
            "the record of another size is no record"
        );
    }

    #[test]
    fn spans_cover_what_is_missing_once_and_shrink_towards_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let mut part = Part::open(dir.path(), "x", 100 * CHUNK).unwrap();
        fill(&mut part, 40, 1);
        let mut seen = vec![0; 100];
        let mut sizes = Vec::new();
        while let Some(span) = part.take(4) {
            sizes.push(span.len());
            span.for_each(|chunk| seen[chunk] += 1);
        }
        let counts: Vec<i32> = (0..100).map(|chunk| i32::from(chunk != 40)).collect();
        assert_eq!(seen, counts);
        assert!(sizes[0] == SPAN && sizes.last() == Some(&1), "{sizes:?}");
        part.give_back(7..9);
        assert_eq!(part.take(1), Some(7..9));
        assert_eq!(part.take(1), None);
    }

    #[test]
    fn a_chunk_that_is_not_as_recorded_is_missing_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut part = Part::open(dir.path(), "x", SIZE).unwrap();
        (0..4).for_each(|chunk| fill(&mut part, chunk, 9));
        assert_eq!(part.recheck().unwrap(), 0);
        write_chunk(part.path(), CHUNK + 17, b"!").unwrap();
        assert_eq!((part.recheck().unwrap(), part.missing()), (1, CHUNK));
    }
}
