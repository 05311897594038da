//! A directory of small files that an operator shares with Mooring: one file a resource, whole or not there.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, ErrorKind as Io, Write},
    path::{Path, PathBuf},
};

use mooring_provider::{Error, ErrorKind, Result};

/// A directory.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    /// The field of the configuration that names it.
    field: &'static str,
    path: PathBuf,
}

impl Directory {
    /// The directory that this field names.
    pub(crate) fn new(field: &'static str, path: &Path) -> Self {
        let path = path.to_owned();
        Self { field, path }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Every file whose name ends so, by its name without the end.
    ///
    /// A directory that cannot be read is an error: it says nothing about what should be in it.
    pub(crate) async fn list(&self, end: &'static str) -> Result<BTreeMap<String, String>> {
        self.on_disk(move |path| {
            let mut files = BTreeMap::new();
            for entry in fs::read_dir(path)? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let Some(stem) = name.strip_suffix(end).filter(|stem| !stem.starts_with('.')) else {
                    continue;
                };
                match fs::read(entry.path()) {
                    Ok(bytes) => drop(files.insert(stem.to_owned(), String::from_utf8_lossy(&bytes).into_owned())),
                    // It went while the directory was read.
                    Err(error) if error.kind() == Io::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(files)
        })
        .await
    }

    /// Makes a file that is not there. `false` when it is.
    pub(crate) async fn create(&self, name: &str, text: &str) -> Result<bool> {
        let (name, text) = (name.to_owned(), text.to_owned());
        self.on_disk(move |path| {
            let new = prepare(path, &name, &text)?;
            // Unlike a rename, a link never replaces what somebody else put there meanwhile.
            let linked = fs::hard_link(&new, path.join(&name));
            fs::remove_file(&new)?;
            match linked {
                Ok(()) => sync(path).map(|()| true),
                Err(error) if error.kind() == Io::AlreadyExists => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
    }

    /// Makes a file, or replaces it.
    pub(crate) async fn replace(&self, name: &str, text: &str) -> Result<()> {
        let (name, text) = (name.to_owned(), text.to_owned());
        self.on_disk(move |path| {
            let new = prepare(path, &name, &text)?;
            fs::rename(&new, path.join(&name))?;
            sync(path)
        })
        .await
    }

    /// Gives a file another name. What is not there has it already.
    pub(crate) async fn rename(&self, from: &str, to: &str) -> Result<()> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.on_disk(move |path| match fs::rename(path.join(&from), path.join(&to)) {
            Err(error) if error.kind() != Io::NotFound => Err(error),
            _ => sync(path),
        })
        .await
    }

    /// Removes a file. One that is not there is removed already.
    pub(crate) async fn remove(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.on_disk(move |path| match fs::remove_file(path.join(&name)) {
            Err(error) if error.kind() == Io::NotFound => Ok(()),
            removed => removed.and_then(|()| sync(path)),
        })
        .await
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let path = self.path.clone();
        let done = tokio::task::spawn_blocking(move || work(&path)).await;
        done.unwrap_or_else(|panic| Err(io::Error::other(panic)))
            .map_err(|error| {
                let (kind, fix) = match error.kind() {
                    Io::NotFound => (ErrorKind::Unavailable, "is not there; create or mount it"),
                    Io::PermissionDenied | Io::ReadOnlyFilesystem => (
                        ErrorKind::PermissionDenied,
                        "cannot be read and written; give Mooring the right to",
                    ),
                    Io::StorageFull | Io::QuotaExceeded => (ErrorKind::QuotaExceeded, "has no room left; make some"),
                    _ => (ErrorKind::Unavailable, "cannot be used"),
                };
                let message = format!("spec.onprem.{}: `{}` {fix}", self.field, self.path.display());
                Error::new(kind, "onprem.files", message).with_source(error)
            })
    }
}

/// Writes the text to a file of another name, out of everybody's sight and safe on disk.
fn prepare(directory: &Path, name: &str, text: &str) -> io::Result<PathBuf> {
    let path = directory.join(format!(".{name}.{:016x}", rand::random::<u64>()));
    let written = File::create_new(&path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    if let Err(error) = written {
        // A disk that is full must not fill with what did not fit.
        let _ = fs::remove_file(&path);
        return Err(error);
    }
    Ok(path)
}

/// Makes a new name in a directory survive a crash.
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_made_once_and_whole() {
        let path = tempfile::tempdir().expect("a directory");
        let directory = Directory::new("test", path.path());
        assert!(directory.create("a.yml", "one").await.expect("there is room"));
        assert!(!directory.create("a.yml", "two").await.expect("there is room"));
        assert_eq!(directory.list(".yml").await.expect("it can be read")["a"], "one");
        directory.replace("a.yml", "two").await.expect("there is room");
        directory.rename("a.yml", "b.yml").await.expect("it is there");
        directory
            .rename("a.yml", "b.yml")
            .await
            .expect("it was renamed already");
        assert_eq!(directory.list(".yml").await.expect("it can be read")["b"], "two");
        directory.remove("b.yml").await.expect("it is there");
        directory.remove("b.yml").await.expect("it is gone already");
        assert_eq!(
            fs::read_dir(path.path()).expect("it can be read").count(),
            0,
            "nothing is left behind"
        );
    }

    #[tokio::test]
    async fn a_directory_that_is_not_there_is_no_empty_one() {
        let directory = Directory::new("log.registry", Path::new("/nonexistent/registry"));
        let error = directory.list(".json").await.expect_err("there is none");
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.message().contains("spec.onprem.log.registry"), "{error}");
    }
}
