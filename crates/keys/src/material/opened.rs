//! A store of the settings, opened, whatever its password comes from.

use super::path_of;
use crate::files::{self, FileError, STORE_BYTES_MAX};
use crate::stash;
use crate::store::{self, Format, OpenError, Store};
use aws_lc_rs::digest;
use config::{Fault, Note, Scoped, Secret, StoreSettings, StoreType};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use zeroize::Zeroizing;

/// The longest password, in bytes: a file of passwords that is longer was named by mistake.
pub const PASSWORD_BYTES_MAX: u64 = 4096;

/// A store and where it was found.
pub(super) struct Opened {
    pub(super) store: Rc<Store>,
    pub(super) path: PathBuf,
    /// Others may read it.
    pub(super) is_shared: bool,
    /// Others may change it.
    pub(super) is_open: bool,
}

/// Stores that were opened already, or not: hashing a password is meant to take long, and several scopes share a store.
#[derive(Default)]
pub(super) struct Cache(Vec<Cached>);

struct Cached {
    /// Of the file's content, so that a file that changes in between is another one.
    digest: Vec<u8>,
    password: Zeroizing<String>,
    key_password: Option<Secret>,
    outcome: Result<Rc<Store>, OpenError>,
}

impl Cache {
    fn open(
        &mut self,
        bytes: &[u8],
        password: &str,
        key_password: Option<&Secret>,
    ) -> Result<Rc<Store>, OpenError> {
        let digest = digest::digest(&digest::SHA256, bytes);
        let known = self.0.iter().find(|known| {
            known.digest == digest.as_ref()
                && *known.password == password
                && known.key_password.as_ref() == key_password
        });
        if let Some(known) = known {
            return known.outcome.clone();
        }
        let opened = store::open(bytes, password, key_password.map(Secret::expose));
        let outcome = opened.map(Rc::new);
        self.0.push(Cached {
            digest: digest.as_ref().to_vec(),
            password: Zeroizing::new(password.to_owned()),
            key_password: key_password.cloned(),
            outcome: outcome.clone(),
        });
        outcome
    }
}

/// Opens a store of the settings.
///
/// # Errors
/// One fault: of the file, or of the setting that its password comes from.
pub(super) fn open(
    settings: &StoreSettings,
    cache: &mut Cache,
    notes: &mut Vec<Note>,
) -> Result<Opened, Box<Fault>> {
    let path = path_of(&settings.file);
    let content = files::read(&path, STORE_BYTES_MAX).map_err(|error| {
        settings.file.fault(
            format!("{} {error}", path.display()),
            "a PKCS#12, JKS or PEM file that the server may read",
        )
    })?;
    let password = password(settings, notes)?;
    let opened = cache.open(
        &content.bytes,
        password.as_ref().map_or("", |password| &password.text),
        settings
            .key_password
            .as_ref()
            .map(|password| &password.value),
    );
    let store = opened.map_err(|error| cannot_open(settings, &path, password.as_ref(), &error))?;

    let shown = path.display();
    if let Some(declared) = &settings.store_type
        && !is_as_declared(declared.value, store.format)
    {
        let (name, value, format) = (&declared.name, declared.value, store.format);
        notes.push(declared.note(format!(
            "{name} says {value}, but {shown} is {format}; it was opened as what it is"
        )));
    }
    for remark in &store.remarks {
        notes.push(settings.file.note(format!("{shown} {remark}")));
    }
    Ok(Opened {
        store,
        path,
        is_shared: content.is_shared,
        is_open: content.is_open,
    })
}

fn is_as_declared(declared: StoreType, format: Format) -> bool {
    match declared {
        StoreType::Pkcs12 => format == Format::Pkcs12,
        StoreType::Jks => format == Format::Jks,
    }
}

struct Password<'a> {
    text: Zeroizing<String>,
    source: Source<'a>,
}

enum Source<'a> {
    /// The setting itself.
    Text(&'a StoreSettings),
    /// A file that a setting names.
    File(&'a Scoped<PathBuf>),
}

/// The password of a store: clear text, else the password file, else the stash file; `None` if nothing is set.
fn password<'a>(
    settings: &'a StoreSettings,
    notes: &mut Vec<Note>,
) -> Result<Option<Password<'a>>, Box<Fault>> {
    if let Some(password) = &settings.password {
        return Ok(Some(Password {
            text: Zeroizing::new(password.value.expose().to_owned()),
            source: Source::Text(settings),
        }));
    }
    if let Some(file) = &settings.password_file {
        let path = path_of(file);
        let expected = "a file with the password in its first line, in UTF-8";
        let fault = |problem: String| file.fault(format!("{} {problem}", path.display()), expected);
        let content =
            files::read(&path, PASSWORD_BYTES_MAX).map_err(|error| fault(error.to_string()))?;
        note_if_shared(file, &path, content.is_shared, notes);
        let bytes = Zeroizing::new(content.bytes);
        let first =
            first_line(&bytes[..]).map_err(|error| fault(FileError::Io(error).to_string()))?;
        if first.is_followed {
            notes.push(file.note(format!(
                "{} has more than one line; the password is the first one",
                path.display()
            )));
        }
        return Ok(Some(Password {
            text: first.text,
            source: Source::File(file),
        }));
    }
    if let Some(file) = &settings.stash_file {
        let path = path_of(file);
        let stashed = stash::read(&path).map_err(|error| {
            let name = settings.password_name();
            file.fault(
                format!("{} {error}", path.display()),
                format!("a stash file, or once {name}, from which one is made"),
            )
        })?;
        note_if_shared(file, &path, stashed.is_shared, notes);
        return Ok(Some(Password {
            text: stashed.password,
            source: Source::File(file),
        }));
    }
    Ok(None)
}

/// What a password file says.
pub struct FirstLine {
    /// The first line without its end: the password.
    pub text: Zeroizing<String>,
    /// Something that is not blank comes after it.
    pub is_followed: bool,
}

/// Reads the password from the content of a password file: its first line, as OpenSSL takes it.
///
/// # Errors
/// What the system says; content that is longer than [`PASSWORD_BYTES_MAX`] or not UTF-8.
pub fn first_line(content: impl Read) -> io::Result<FirstLine> {
    let invalid = |problem: String| io::Error::new(io::ErrorKind::InvalidData, problem);
    // As large as it gets, so that no part of it stays behind where it grew.
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * PASSWORD_BYTES_MAX as usize));
    content
        .take(PASSWORD_BYTES_MAX + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > PASSWORD_BYTES_MAX {
        return Err(invalid(format!(
            "it has more than the {PASSWORD_BYTES_MAX} bytes that a password file may have"
        )));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| invalid("it is not text".to_owned()))?;
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    Ok(FirstLine {
        text: Zeroizing::new(line.strip_suffix('\r').unwrap_or(line).to_owned()),
        is_followed: !rest.trim().is_empty(),
    })
}

/// The password of a store, wherever the settings have it: for the commands that change stores.
///
/// # Errors
/// One fault, of the file that was to have it.
pub fn password_of(settings: &StoreSettings) -> Result<Option<Zeroizing<String>>, Box<Fault>> {
    let found = password(settings, &mut Vec::new())?;
    Ok(found.map(|found| found.text))
}

/// A note if users other than the owner may read a file with a secret in it.
pub(super) fn note_if_shared(
    setting: &Scoped<PathBuf>,
    path: &Path,
    is_shared: bool,
    notes: &mut Vec<Note>,
) {
    if is_shared {
        notes.push(setting.note(format!(
            "{} may be read by other users of this machine; chmod 600 takes that from them",
            path.display()
        )));
    }
}

/// A note if users other than the owner may change a file of those who are trusted.
pub(super) fn note_if_open(
    setting: &Scoped<PathBuf>,
    path: &Path,
    is_open: bool,
    notes: &mut Vec<Note>,
) {
    if is_open {
        notes.push(setting.note(format!(
            "{} may be changed by other users of this machine, who could so decide whom this server trusts; \
             chmod go-w takes that from them",
            path.display()
        )));
    }
}

fn cannot_open(
    settings: &StoreSettings,
    path: &Path,
    password: Option<&Password<'_>>,
    error: &OpenError,
) -> Fault {
    let file = &settings.file;
    let shown = path.display();
    match error {
        OpenError::WrongPassword => wrong_password(settings, path, password),
        OpenError::WrongKeyPassword { alias } => match &settings.key_password {
            Some(key_password) => key_password.fault(
                format!(
                    "the password does not open the key \"{alias}\" in {shown} ({})",
                    file.name
                ),
                "the password of that key",
            ),
            None => file.fault(
                format!("{shown}: {error}, which is not set"),
                format!(
                    "{} with the password of that key",
                    key_password_name(settings)
                ),
            ),
        },
        _ => file.fault(
            format!("{shown} cannot be opened: {error}"),
            "a PKCS#12, JKS or PEM file",
        ),
    }
}

fn wrong_password(settings: &StoreSettings, path: &Path, password: Option<&Password<'_>>) -> Fault {
    let file = &settings.file;
    let shown = path.display();
    let name = settings.password_name();
    let Some(password) = password else {
        return file.fault(
            format!("{shown} has a password, and {name} is not set"),
            format!("{name}, {name}_FILE or {name}_STASH_FILE"),
        );
    };
    if let Some(sentence) = settings.half_override() {
        return file.fault(sentence, format!("{name} with the password of {shown}"));
    }
    let problem = format!(
        "the password does not open {shown} ({}, {})",
        file.name, file.origin
    );
    let expected = "the password of that store";
    match password.source {
        Source::Text(StoreSettings {
            password: Some(setting),
            ..
        }) => setting.fault(problem, expected),
        Source::Text(_) => file.fault(problem, expected),
        Source::File(setting) => setting.fault(
            format!("{problem}; it was read from {}", path_of(setting).display()),
            expected,
        ),
    }
}

/// `STMUX_TLS_KEY_PASSWORD` for `STMUX_TLS_KEY_STORE_FILE`.
fn key_password_name(settings: &StoreSettings) -> String {
    let name = &settings.file.name;
    let stem = name.strip_suffix("KEY_STORE_FILE");
    stem.map_or_else(|| name.clone(), |stem| format!("{stem}KEY_PASSWORD"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_of_a_file_is_its_first_line() {
        for (content, password, is_followed) in [
            ("secret", "secret", false),
            ("secret\n", "secret", false),
            ("secret\r\n", "secret", false),
            (" se cret \n\n \r\n", " se cret ", false),
            ("secret\nof another store\n", "secret", true),
            ("\nsecret\n", "", true),
            ("", "", false),
        ] {
            let first = first_line(content.as_bytes()).unwrap();
            assert_eq!(*first.text, password, "{content:?}");
            assert_eq!(first.is_followed, is_followed, "{content:?}");
        }
        for (content, problem) in [
            (vec![0xff, 0xfe], "not text"),
            (vec![b'x'; PASSWORD_BYTES_MAX as usize + 1], "4096 bytes"),
        ] {
            let error = first_line(&content[..]).err().unwrap();
            assert!(error.to_string().contains(problem), "{error}");
        }
    }

    #[test]
    fn a_store_is_opened_once_for_each_password() {
        let bytes = store::write_pkcs12(&[], "geheim").unwrap();
        let mut cache = Cache::default();
        let mut open = |bytes: &[u8], password: &str, key_password: Option<&str>| {
            let key_password = key_password.map(|text| Secret::new(text.to_owned()));
            let outcome = cache.open(bytes, password, key_password.as_ref());
            (outcome, cache.0.len())
        };
        let first = open(&bytes, "geheim", None).0.unwrap();
        let (again, count) = open(&bytes, "geheim", None);
        assert!(Rc::ptr_eq(&first, &again.unwrap()));
        assert_eq!(count, 1);
        // What did not open is not tried again either.
        for _ in 0..2 {
            let (outcome, count) = open(&bytes, "other", None);
            assert_eq!(outcome.unwrap_err(), OpenError::WrongPassword);
            assert_eq!(count, 2);
        }
        assert_eq!(open(&bytes, "geheim", Some("own")).1, 3);
        // Somebody wrote it anew.
        let other = store::write_pkcs12(&[], "geheim").unwrap();
        assert_eq!(open(&other, "geheim", None).1, 4);
    }
}
