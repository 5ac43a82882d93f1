//! Files that hold keys and passwords: read with care, never left half written.

use aws_lc_rs::rand;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

/// The largest file that is taken for a store, in bytes. The trusted authorities of the whole web fit in a tenth of it;
/// a larger file was named by mistake, and is refused before it is read.
pub const STORE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Why a file cannot be read. The path stands in the caller's message.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// What the system says: there is none, or it may not be read.
    #[error("{}", sentence(.0))]
    Io(#[from] io::Error),
    /// A directory, a pipe or a device.
    #[error("is {0}, not a file")]
    NotAFile(&'static str),
    /// More than [`STORE_BYTES_MAX`], or the smaller bound of what was to be read.
    #[error(
        "has {bytes} bytes, more than the {max} that such a file may have; is it the right one?"
    )]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The bound.
        max: u64,
    },
}

/// What the system said, without the number of the error.
fn sentence(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "may not be read by this user".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

/// A file's content and who else may read it.
pub struct Content {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether users other than the owner may read it, by its mode.
    pub is_shared: bool,
    /// Whether users other than the owner may change it, by its mode.
    pub is_open: bool,
}

/// Reads a whole file of at most `max` bytes.
///
/// # Errors
/// [`FileError`]; nothing is read of a file that is too large or none.
pub fn read(path: &Path, max: u64) -> Result<Content, FileError> {
    // Asked before it is opened: opening a pipe would wait for somebody to write.
    let metadata = fs::metadata(path)?;
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Err(FileError::NotAFile("a directory"));
    }
    if !kind.is_file() {
        return Err(FileError::NotAFile("a pipe, a socket or a device"));
    }
    let too_large = |bytes| FileError::TooLarge { bytes, max };
    if metadata.len() > max {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::new();
    // It may have grown since.
    File::open(path)?.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(Content {
        bytes,
        is_shared: metadata.permissions().mode() & 0o077 != 0,
        is_open: metadata.permissions().mode() & 0o022 != 0,
    })
}

/// Who may read a file that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// This mode if the file is new, else the one that it has.
    KeptOr(u32),
    /// This mode, whatever the file had.
    Always(u32),
}

/// Writes a file with a secret in it: whole or not at all, on the disk when this returns, and readable by its owner
/// only. A file that is replaced keeps its owner and mode, so that a server goes on reading what root has edited.
///
/// # Errors
/// What the system says; then the old file is as it was.
pub fn write_secret(path: &Path, content: &[u8]) -> io::Result<()> {
    write(path, content, Mode::KeptOr(0o600))
}

/// Writes a file: whole or not at all, and on the disk when this returns. No other file is touched, whatever its name.
///
/// # Errors
/// What the system says, or that the path is something else than a file; then the old file is as it was.
pub(crate) fn write(path: &Path, content: &[u8], mode: Mode) -> io::Result<()> {
    // A link, as Kubernetes and package managers lay them, stays one.
    let path = match fs::canonicalize(path) {
        Ok(real) => real,
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) if path.is_symlink() => {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                "is a link to a file that does not exist",
            ));
        }
        Err(_) => path.to_owned(),
    };
    let old = fs::metadata(&path).ok();
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        // A directory would be refused by the system as well, a device replaced.
        return Err(io::Error::other("is not a file"));
    }
    let unfinished = unfinished(&path)?;
    // From here on the name is ours: a file that had it already ends this.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    let mut finish = || {
        if let Some(old) = &old {
            let new = file.metadata()?;
            if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
                chown(&unfinished, Some(old.uid()), Some(old.gid()))?;
            }
        }
        let mode = match (mode, &old) {
            (Mode::KeptOr(_), Some(old)) => old.mode() & 0o777,
            (Mode::KeptOr(mode) | Mode::Always(mode), _) => mode,
        };
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        sync_folder(&path)
    };
    finish().inspect_err(|_| {
        // Nothing more can be done if that fails as well.
        let _ = fs::remove_file(&unfinished);
    })
}

/// A name under which a file is written before it takes its place: hidden, beside it, and nobody else's.
fn unfinished(path: &Path) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    rand::fill(&mut random).map_err(|_| io::Error::other("the system gives no random numbers"))?;
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::other("is not the name of a file"))?;
    let mut hidden = OsString::from(".");
    hidden.push(name);
    let mut end = String::from(".");
    for byte in random {
        // Writing to a string cannot fail.
        let _ = write!(end, "{byte:02x}");
    }
    hidden.push(end);
    Ok(path.with_file_name(hidden))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_with_its_owner_and_mode_and_no_other_is_touched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("k.p12");
        let neighbour = folder.path().join("k.p12.new");
        fs::write(&neighbour, "somebody else's").unwrap();

        write_secret(&path, b"one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        // Only root gives files away; for others the owner stays what it is anyway.
        let is_root = chown(&path, Some(1234), Some(5678)).is_ok();
        write_secret(&path, b"two").unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.mode() & 0o777, 0o640);
        if is_root {
            assert_eq!((metadata.uid(), metadata.gid()), (1234, 5678));
        }
        assert_eq!(fs::read(&path).unwrap(), b"two");

        write(&path, b"three", Mode::Always(0o600)).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read(&neighbour).unwrap(), b"somebody else's");
        assert_eq!(names(folder.path()), ["k.p12", "k.p12.new"]);
    }

    #[test]
    fn a_link_stays_one_and_what_is_no_file_stays_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "one").unwrap();
        std::os::unix::fs::symlink("target", &link).unwrap();
        crate::export::write_public(&link, b"two").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read(&target).unwrap(), b"two");

        fs::remove_file(&target).unwrap();
        let error = write_secret(&link, b"three").unwrap_err();
        assert!(error.to_string().contains("does not exist"), "{error}");
        assert!(link.is_symlink());

        fs::create_dir(&target).unwrap();
        let error = write_secret(&target, b"four").unwrap_err();
        assert_eq!(error.to_string(), "is not a file");
        assert_eq!(names(folder.path()), ["link", "target"]);
    }

    #[test]
    fn what_everybody_may_read_is_said_of_new_files_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chain.pem");
        crate::export::write_public(&path, b"one").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o644);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        crate::export::write_public(&path, b"two").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }
}
