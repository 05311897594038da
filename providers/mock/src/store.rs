//! The file that keeps a cloud when its process ends.
//!
//! A line per call, so that a write costs what it changes and not what there is. A torn last line is what a killed
//! process did not finish, and is cut off. When most lines are of the past the file is written anew beside itself and
//! renamed. A lock file beside it makes processes take turns.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, BufRead, BufReader, ErrorKind::NotFound, Seek, SeekFrom, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Clock,
    world::{Entry, World},
};

/// A file is written anew when it has this many lines more than twice what is needed.
const SLACK: usize = 1_000;

#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    lock: File,
    inode: u64,
    offset: u64,
    lines: usize,
}

#[derive(Serialize, Deserialize)]
struct Line {
    at: Timestamp,
    changes: Vec<Entry>,
}

impl Store {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut lock = path.as_os_str().to_owned();
        lock.push(".lock");
        let lock = private().create(true).write(true).truncate(false).open(lock)?;
        Ok(Self {
            path: path.to_owned(),
            lock,
            inode: 0,
            offset: 0,
            lines: 0,
        })
    }

    /// Waits for its turn, and takes over what other processes wrote meanwhile.
    pub(crate) fn begin(&mut self, world: &mut World, clock: &mut Clock) -> io::Result<()> {
        match self.lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => self.lock.lock()?,
            Err(TryLockError::Error(error)) => return Err(error),
        }
        self.catch_up(world, clock)
            .or_else(|error| self.lock.unlock().and(Err(error)))
    }

    fn catch_up(&mut self, world: &mut World, clock: &mut Clock) -> io::Result<()> {
        let file = match private().read(true).write(true).open(&self.path) {
            Err(error) if error.kind() == NotFound => {
                self.forget(world);
                return Ok(());
            }
            file => file?,
        };
        let meta = file.metadata()?;
        if meta.ino() != self.inode || meta.len() < self.offset {
            self.forget(world);
            self.inode = meta.ino();
        }
        if meta.len() == self.offset {
            return Ok(());
        }
        let mut reader = BufReader::new(&file);
        reader.seek(SeekFrom::Start(self.offset))?;
        let mut text = String::new();
        while reader.read_line(&mut text)? > 0 {
            if !text.ends_with('\n') {
                file.set_len(self.offset)?;
                break;
            }
            let line: Line = serde_json::from_str(&text).map_err(|error| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!(
                        "line {} is no change of a mock cloud ({error}); remove the file to start anew",
                        self.lines + 1
                    ),
                )
            })?;
            clock.not_before(line.at);
            line.changes.into_iter().for_each(|change| world.apply(change));
            self.offset += text.len() as u64;
            self.lines += 1;
            text.clear();
        }
        Ok(())
    }

    fn forget(&mut self, world: &mut World) {
        *world = World::new();
        (self.inode, self.offset, self.lines) = (0, 0, 0);
    }

    /// Writes what has changed and lets others have their turn. What could not be written has not happened.
    pub(crate) fn commit(&mut self, world: &mut World, at: Timestamp) -> io::Result<()> {
        let written = self.write(world, at);
        if written.is_err() {
            self.forget(world);
        }
        self.lock.unlock()?;
        written
    }

    fn write(&mut self, world: &mut World, at: Timestamp) -> io::Result<()> {
        let changes = world.take_changes();
        if changes.is_empty() {
            return Ok(());
        }
        let needed = world.all().count();
        if self.lines > 2 * needed + SLACK {
            let mut beside = self.path.as_os_str().to_owned();
            beside.push(".new");
            let file = private().create(true).write(true).truncate(true).open(&beside)?;
            (self.offset, self.lines) = (0, 0);
            self.append(&file, world.snapshot(), at)?;
            std::fs::rename(&beside, &self.path)?;
            self.inode = file.metadata()?.ino();
            return Ok(());
        }
        let mut file = private().create(true).write(true).truncate(false).open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        self.inode = file.metadata()?.ino();
        self.append(&file, changes, at)
    }

    fn append(&mut self, mut file: &File, changes: Vec<Entry>, at: Timestamp) -> io::Result<()> {
        let mut text = serde_json::to_vec(&Line { at, changes })?;
        text.push(b'\n');
        file.write_all(&text)?;
        self.offset += text.len() as u64;
        self.lines += 1;
        Ok(())
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}
