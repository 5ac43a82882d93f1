//! Stash files: a store's password kept out of `sametime.ini`.
//!
//! On the first start the password stands in the settings and the stash file is not there: [`keep`] makes it, and says
//! which line may then go. Later starts find the password in the file. If both are there, the settings win and the
//! file follows, which is how a password is changed.
//!
//! The content is obfuscated, so that a passer-by does not read it, and not encrypted, because the key would have to
//! lie beside it. The file's permissions protect it.
//!
//! Source: `docs/domain/tls-scopes.md` 14. The original server's own format is not described there and not read.

use crate::files::{self, FileError, Mode};
use crate::material::path_of;
use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use aws_lc_rs::rand;
use config::{Fault, Note, Origin, Scoped, Secret, StoreSettings};
use pem::{EncodeConfig, LineEnding, Pem};
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// What the block in the file is called.
const TAG: &str = "ISOCHRON STASHED PASSWORD";
/// The largest stash file, in bytes: a password has at most [`crate::material::PASSWORD_BYTES_MAX`].
const STASH_BYTES_MAX: u64 = 16 * 1024;
const SALT_BYTES: usize = 16;

/// Why a stash file gives no password.
#[derive(Debug, thiserror::Error)]
pub enum StashError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Something else, perhaps the stash file of another product.
    #[error(
        "is no stash file of this server; name another path and give the password once in the settings, and one is made there"
    )]
    NotAStash,
    /// A stash file that was cut or changed.
    #[error(
        "is damaged; remove it and give the password once in the settings, and it is made anew"
    )]
    Damaged,
}

/// What a stash file gives.
pub struct Stashed {
    /// The password.
    pub password: Zeroizing<String>,
    /// Whether users other than the owner may read the file.
    pub is_shared: bool,
}

/// Reads the password in a stash file.
///
/// # Errors
/// [`StashError`].
pub fn read(path: &Path) -> Result<Stashed, StashError> {
    let content = files::read(path, STASH_BYTES_MAX)?;
    let block = pem::parse(&content.bytes).map_err(|_| StashError::NotAStash)?;
    if block.tag() != TAG {
        return Err(StashError::NotAStash);
    }
    let (salt, rest) = block
        .contents()
        .split_first_chunk::<SALT_BYTES>()
        .ok_or(StashError::Damaged)?;
    let (check, masked) = rest
        .split_first_chunk::<SHA256_OUTPUT_LEN>()
        .ok_or(StashError::Damaged)?;
    let password = Zeroizing::new(mask(salt, masked));
    if check_value(salt, &password) != *check {
        return Err(StashError::Damaged);
    }
    let password = String::from_utf8(password.to_vec()).map_err(|_| StashError::Damaged)?;
    Ok(Stashed {
        password: Zeroizing::new(password),
        is_shared: content.is_shared,
    })
}

/// Writes a stash file, readable by its owner only whatever it was before, whole or not at all, and reads it back.
///
/// # Errors
/// What the system says, or that the file does not give the password back.
pub fn write(path: &Path, password: &str) -> io::Result<()> {
    let mut salt = [0; SALT_BYTES];
    rand::fill(&mut salt).map_err(|_| io::Error::other("the system gives no random numbers"))?;
    let check = check_value(&salt, password.as_bytes());
    let masked = mask(&salt, password.as_bytes());
    let block = Pem::new(TAG, [&salt[..], &check, &masked].concat());
    let lines = EncodeConfig::new().set_line_ending(LineEnding::LF);
    let text = pem::encode_config(&block, lines);
    files::write(path, text.as_bytes(), Mode::Always(0o600))?;
    match read(path) {
        Ok(back) if *back.password == password => Ok(()),
        _ => Err(io::Error::other("what was written does not read back")),
    }
}

/// Hides bytes, or shows them again.
fn mask(salt: &[u8; SALT_BYTES], bytes: &[u8]) -> Vec<u8> {
    let mut masked = bytes.to_vec();
    for (number, piece) in masked.chunks_mut(SHA256_OUTPUT_LEN).enumerate() {
        let stream = hash(b"isochron stash mask", salt, &(number as u64).to_be_bytes());
        piece
            .iter_mut()
            .zip(stream)
            .for_each(|(byte, mask)| *byte ^= mask);
    }
    masked
}

fn check_value(salt: &[u8; SALT_BYTES], password: &[u8]) -> [u8; SHA256_OUTPUT_LEN] {
    hash(b"isochron stash check", salt, password)
}

fn hash(purpose: &[u8], salt: &[u8; SALT_BYTES], bytes: &[u8]) -> [u8; SHA256_OUTPUT_LEN] {
    let mut context = Context::new(&SHA256);
    [purpose, salt, bytes]
        .iter()
        .for_each(|part| context.update(part));
    let mut digest = [0; SHA256_OUTPUT_LEN];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

/// A password that is now in a stash file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The line that may go from `sametime.ini` now; `None` where the password came from elsewhere, which nobody can
    /// take it out of.
    pub removable: Option<Removable>,
    /// What there is to say about it.
    pub note: Note,
}

/// A setting that is to be taken out of a file with [`config::without_setting`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removable {
    /// The file.
    pub path: PathBuf,
    /// Its section.
    pub section: &'static str,
    /// Its name.
    pub name: String,
    /// What was stashed. A line that has another value by now stays.
    pub value: Secret,
    line: usize,
}

impl Removable {
    /// What there is to say when the line was to be taken out: `Ok(true)` if it was, `Ok(false)` if the file gives the
    /// setting no more or with another value.
    #[must_use]
    pub fn note(&self, taken_out: &io::Result<bool>) -> Note {
        let Self { name, path, .. } = self;
        let path = path.display();
        let text = match taken_out {
            Ok(true) => format!("{name} was taken out of {path}"),
            Ok(false) => format!("{name} has changed in {path} since it was read, and stays there"),
            Err(error) => format!("{name} could not be taken out of {path}: {error}"),
        };
        Note {
            text,
            origin: Origin::File {
                path: self.path.clone(),
                line: self.line,
            },
        }
    }
}

/// Brings the stash file of a store up to date with the password in the settings. To be called when the store has been
/// opened with that password, by the server itself and not by commands that only look.
///
/// `None` if the settings have no password or no stash file for the store.
///
/// # Errors
/// That the file cannot be written, or that something else stands at its path, which is left alone. The clear text must
/// then stay where it is.
pub fn keep(store: &StoreSettings) -> Result<Option<Kept>, Box<Fault>> {
    let (Some(password), Some(stash)) = (&store.password, &store.stash_file) else {
        return Ok(None);
    };
    let path = path_of(stash);
    let fault = |problem: String, expected: &str| {
        stash.fault(format!("{} {problem}", path.display()), expected)
    };
    let is_current = match read(&path) {
        Ok(kept) => *kept.password == password.value.expose(),
        Err(StashError::Damaged) => false,
        Err(StashError::File(FileError::Io(error))) if error.kind() == io::ErrorKind::NotFound => {
            false
        }
        Err(StashError::NotAStash) => {
            return Err(fault(
                "is no stash file of this server, so it is not overwritten".to_owned(),
                "a path at which nothing stands, or an earlier stash file",
            )
            .into());
        }
        Err(error) => {
            return Err(fault(
                error.to_string(),
                "a stash file that the server may read, or a path at which nothing stands",
            )
            .into());
        }
    };
    if !is_current {
        write(&path, password.value.expose()).map_err(|error| {
            fault(
                format!("cannot be written: {error}"),
                "a path in a folder that the server may write, or no stash file",
            )
        })?;
    }
    Ok(Some(kept(password, &path)))
}

fn kept(password: &Scoped<Secret>, stash: &Path) -> Kept {
    let name = password.name.clone();
    let stash = stash.display();
    match &password.origin {
        Origin::File { path, line } => Kept {
            note: password.note(format!("{name} is kept in {stash}")),
            removable: Some(Removable {
                path: path.clone(),
                section: "Config",
                name,
                value: password.value.clone(),
                line: *line,
            }),
        },
        _ => Kept {
            removable: None,
            note: password.note(format!(
                "{name} is kept in {stash}, but cannot be taken out of where it was given; \
                 it may now be removed there"
            )),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_stashed_comes_back_and_is_not_to_be_read_by_eye() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mux.sth");
        let long = "x".repeat(1000);
        for password in [
            "geheim",
            "",
            "mit # ; = Zeichen",
            "Schlüssel-пароль-🔑",
            &long,
        ] {
            write(&path, password).unwrap();
            assert_eq!(*read(&path).unwrap().password, password);
            let file = fs::read_to_string(&path).unwrap();
            assert!(password.is_empty() || !file.contains(password));
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing half is left"
        );
    }

    #[test]
    fn a_damaged_one_is_told_from_something_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mux.sth");
        write(&path, "geheim").unwrap();
        let whole = fs::read_to_string(&path).unwrap();
        fs::write(&path, "\u{f5}\u{85}").unwrap();
        assert!(matches!(read(&path), Err(StashError::NotAStash)));
        // Another letter in the middle of the base64.
        let mut bytes = whole.clone().into_bytes();
        let at = whole.find("-----\n").unwrap() + 20;
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        fs::write(&path, &bytes).unwrap();
        assert!(matches!(read(&path), Err(StashError::Damaged)));
        for end in 0..whole.len() - 1 {
            fs::write(&path, &whole[..end]).unwrap();
            // The last line end may be missing, and everything else is noticed.
            assert!(
                read(&path).is_err() || end >= whole.trim_end().len(),
                "{end}"
            );
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(read(&path), Err(StashError::File(_))));
    }

    #[test]
    fn the_settings_win_and_the_file_follows() {
        let folder = tempfile::tempdir().unwrap();
        let ini = folder.path().join("sametime.ini");
        let origin = |line| Origin::File {
            path: ini.clone(),
            line,
        };
        let mut store = StoreSettings {
            file: Scoped::new("mux.p12".into(), "STMUX_TLS_KEY_STORE_FILE", origin(1)),
            store_type: None,
            password: Some(Scoped::new(
                Secret::new("geheim".into()),
                "STMUX_TLS_KEY_STORE_PASSWORD",
                origin(2),
            )),
            password_file: None,
            stash_file: Some(Scoped::new(
                "mux.sth".into(),
                "STMUX_TLS_KEY_STORE_PASSWORD_STASH_FILE",
                origin(3),
            )),
            key_password: None,
        };
        let stash = folder.path().join("mux.sth");
        let kept = keep(&store).unwrap().unwrap();
        assert_eq!(*read(&stash).unwrap().password, "geheim");
        let removable = kept.removable.unwrap();
        assert_eq!(removable.name, "STMUX_TLS_KEY_STORE_PASSWORD");
        assert_eq!(removable.path, ini);
        assert_eq!(removable.value.expose(), "geheim");
        // Nothing is taken out yet, so the note does not say so.
        assert_eq!(
            kept.note.text,
            format!(
                "STMUX_TLS_KEY_STORE_PASSWORD is kept in {}",
                stash.display()
            )
        );
        for (outcome, says) in [
            (Ok(true), "was taken out of"),
            (Ok(false), "has changed in"),
            (
                Err(io::Error::other("no room")),
                "could not be taken out of",
            ),
        ] {
            let note = removable.note(&outcome);
            assert!(note.text.contains(says), "{note}");
            assert!(!note.text.contains("geheim"), "{note}");
            assert_eq!(note.origin, origin(2));
        }

        let variable = Origin::Environment {
            variable: "STI__Config__STMUX_TLS_KEY_STORE_PASSWORD".to_owned(),
        };
        store.password = Some(Scoped::new(
            Secret::new("neu".into()),
            "STMUX_TLS_KEY_STORE_PASSWORD",
            variable,
        ));
        let kept = keep(&store).unwrap().unwrap();
        assert_eq!(*read(&stash).unwrap().password, "neu");
        assert_eq!(kept.removable, None);

        store.password = None;
        assert_eq!(keep(&store).unwrap(), None);
        assert_eq!(*read(&stash).unwrap().password, "neu");
    }

    /// A path that was mistyped must not cost a key store.
    #[test]
    fn what_is_no_stash_file_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let origin = Origin::File {
            path: folder.path().join("sametime.ini"),
            line: 1,
        };
        let store = StoreSettings {
            file: Scoped::new("mux.p12".into(), "STMUX_TLS_KEY_STORE_FILE", origin.clone()),
            store_type: None,
            password: Some(Scoped::new(
                Secret::new("geheim".into()),
                "STMUX_TLS_KEY_STORE_PASSWORD",
                origin.clone(),
            )),
            password_file: None,
            stash_file: Some(Scoped::new(
                "mux.p12".into(),
                "STMUX_TLS_KEY_STORE_PASSWORD_STASH_FILE",
                origin,
            )),
            key_password: None,
        };
        let path = folder.path().join("mux.p12");
        for content in [&b"\x30\x82\x01\x02 a key store"[..], b"", &[b'x'; 100_000]] {
            fs::write(&path, content).unwrap();
            let fault = keep(&store).unwrap_err();
            assert_eq!(fault.setting, "STMUX_TLS_KEY_STORE_PASSWORD_STASH_FILE");
            assert_eq!(fs::read(&path).unwrap(), content);
        }
        // One of ours that was damaged is made anew, for its owner's eyes only.
        write(&path, "geheim").unwrap();
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.windows(6).position(|six| six == b"-----\n").unwrap() + 20;
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        keep(&store).unwrap();
        let stashed = read(&path).unwrap();
        assert_eq!(*stashed.password, "geheim");
        assert!(!stashed.is_shared);
    }
}
