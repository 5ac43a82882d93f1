//! Files that hold keys and passwords: read with care, never left half written.

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
    })
}

/// Writes a file with a secret in it: whole or not at all, on the disk when this returns, and readable by its owner
/// only. A file that is replaced keeps its owner and mode, so that a server goes on reading what root has edited.
///
/// # Errors
/// What the system says; then the old file is as it was.
pub fn write_secret(path: &Path, content: &[u8]) -> io::Result<()> {
    // A link, as Kubernetes and package managers lay them, stays one.
    let path = match fs::canonicalize(path) {
        Ok(real) => real,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    let unfinished = unfinished(&path);
    let written = write_unfinished(&path, &unfinished, content)
        .and_then(|()| fs::rename(&unfinished, &path))
        .and_then(|()| sync_folder(&path));
    if written.is_err() {
        // Nothing more can be done if that fails as well.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

fn write_unfinished(path: &Path, unfinished: &Path, content: &[u8]) -> io::Result<()> {
    // What a crash may have left.
    match fs::remove_file(unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(unfinished)?;
    if let Ok(old) = fs::metadata(path) {
        let new = file.metadata()?;
        if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
            chown(unfinished, Some(old.uid()), Some(old.gid()))?;
        }
        file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o777))?;
    }
    file.write_all(content)?;
    file.sync_all()
}

/// The name under which a file is written before it takes its place.
fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
