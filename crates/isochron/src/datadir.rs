//! The data folder: which one, made for its owner only, used by one process at a time.

use anyhow::{Context, bail};
use rustix::fs::Access;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where a service keeps its data.
const SYSTEM_FOLDER: &str = "/var/lib/isochron";
/// Where `isochron demo` keeps its data.
const DEMO_FOLDER: &str = "./isochron-demo";
/// Held, not read.
const LOCK_FILE: &str = "lock";
const SETTINGS_FILE: &str = "sametime.ini";

/// How often to look again at a lock that another process holds; the kernel tells nobody when it is free.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// A data folder. It may not exist yet.
#[derive(Debug, Clone)]
pub(crate) struct DataDir {
    path: PathBuf,
}

/// Exclusive use of a data folder, until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl DataDir {
    /// The folder of `--data`, or the default one of servers and commands.
    ///
    /// # Errors
    /// When there is no default because the environment names no home.
    pub(crate) fn of_server(given: Option<&Path>) -> anyhow::Result<DataDir> {
        if let Some(path) = given {
            return Ok(DataDir {
                path: path.to_owned(),
            });
        }
        let variable = |name| std::env::var_os(name).map(PathBuf::from);
        let system = Path::new(SYSTEM_FOLDER);
        let own = own_folder(variable("XDG_DATA_HOME"), variable("HOME"));
        if can_write(system) {
            return Ok(DataDir {
                path: system.to_owned(),
            });
        }
        let path = own.context("no data folder: name one with --data, or set HOME")?;
        if system.exists() {
            // Otherwise somebody who is not the service's user would add people that the service never sees.
            eprintln!(
                "isochron: {SYSTEM_FOLDER} cannot be written, so the data folder is {}",
                path.display()
            );
        }
        Ok(DataDir { path })
    }

    /// The folder of `--data`, or the default one of the demo.
    pub(crate) fn of_demo(given: Option<&Path>) -> DataDir {
        DataDir {
            path: given.unwrap_or(Path::new(DEMO_FOLDER)).to_owned(),
        }
    }

    /// Makes the folder if it is not there, for its owner only.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn create(&self) -> anyhow::Result<()> {
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path);
        made.with_context(|| format!("cannot make the data folder {}", self.path.display()))
    }

    /// Takes the folder for this process; `None` if another process has it for the whole of `patience`.
    ///
    /// # Errors
    /// When the lock's file cannot be used.
    pub(crate) fn lock_within(&self, patience: Duration) -> anyhow::Result<Option<Lock>> {
        let path = self.path.join(LOCK_FILE);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let file =
            file.with_context(|| format!("cannot use the data folder: {}", path.display()))?;
        let deadline = Instant::now() + patience;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Some(Lock { _file: file })),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => return Ok(None),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(error)) => bail!("cannot lock {}: {error}", path.display()),
            }
        }
    }

    /// The settings in the folder, also where there are none yet.
    pub(crate) fn own_settings_file(&self) -> PathBuf {
        self.path.join(SETTINGS_FILE)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether the folder can be written, or made.
fn can_write(folder: &Path) -> bool {
    let place = if folder.exists() {
        Some(folder)
    } else {
        folder.parent()
    };
    place.is_some_and(|place| rustix::fs::access(place, Access::WRITE_OK | Access::EXEC_OK).is_ok())
}

/// The user's own folder by the rules of the XDG base directories: a relative path there counts as none.
fn own_folder(data_home: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    let data_home = data_home.filter(|path| path.is_absolute());
    let data_home =
        data_home.or_else(|| Some(home?.join(".local/share")).filter(|path| path.is_absolute()));
    Some(data_home?.join("isochron"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_own_folder_follows_the_base_directory_rules() {
        for (data_home, home, expected) in [
            (Some("/data"), Some("/home/a"), Some("/data/isochron")),
            (None, Some("/home/a"), Some("/home/a/.local/share/isochron")),
            (
                Some("relative"),
                Some("/home/a"),
                Some("/home/a/.local/share/isochron"),
            ),
            (Some(""), Some(""), None),
            (None, None, None),
        ] {
            let folder = own_folder(data_home.map(PathBuf::from), home.map(PathBuf::from));
            assert_eq!(
                folder,
                expected.map(PathBuf::from),
                "{data_home:?} {home:?}"
            );
        }
    }

    #[test]
    fn a_folder_is_made_for_its_owner_and_locked_once() {
        let place = tempfile::tempdir().unwrap();
        let data = DataDir {
            path: place.path().join("a/b"),
        };
        data.create().unwrap();
        data.create().unwrap();
        assert_eq!(
            std::fs::metadata(data.path()).unwrap().permissions().mode() & 0o777,
            0o700
        );

        let lock = data.lock_within(Duration::ZERO).unwrap();
        assert!(lock.is_some());
        assert!(data.lock_within(Duration::ZERO).unwrap().is_none());
        drop(lock);
        assert!(data.lock_within(Duration::ZERO).unwrap().is_some());
    }
}
