//! What can go wrong in the store, and whose fault it is.

use std::path::PathBuf;

/// Why the store could not do what was asked.
///
/// Every variant is a fault on our side of the network: of the machine, of the file, or of the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The operating system refused the folder or the file.
    #[error("cannot use {}: {detail}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        detail: String,
    },
    /// The file is not a whole database any more.
    #[error(
        "the store {file} is damaged ({detail}); it was not changed. Stop the server, move the file away together \
         with those beside it that end in -wal and -shm, and put a backup in its place"
    )]
    Damaged {
        /// The file, as far as it is known where the damage was seen.
        file: String,
        /// What the engine said.
        detail: String,
    },
    /// The file is a database, but not one of ours.
    #[error("{} is a database of another program; it was not changed. Choose another data folder", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A newer release wrote the file.
    #[error(
        "the store {} has version {found}, and this release knows versions up to {known}; it was not changed. Use \
         the newer release again, or restore the backup made before the upgrade", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version that the file has.
        found: i64,
        /// The newest version that this release knows.
        known: i64,
    },
    /// The engine failed while it worked: disk full, read-only, or an input/output fault.
    #[error("the store failed: {detail}")]
    Engine {
        /// What the engine said.
        detail: String,
    },
    /// The store was closed; the caller asked too late.
    #[error("the store is closed")]
    Closed,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        let detail = error.to_string();
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase) => {
                StoreError::Damaged {
                    file: crate::FILE_NAME.to_owned(),
                    detail,
                }
            }
            _ => StoreError::Engine { detail },
        }
    }
}
